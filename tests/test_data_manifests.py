"""Every row of every manifest, against the schema; offline."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from sctabnet.cli.main import main

FOLDER = Path(__file__).resolve().parents[1] / "data_manifests"
MANIFESTS = sorted(FOLDER.glob("*.tsv"))
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", strict=True))


def test_there_are_manifests():
    assert {"pbmc", "integration", "perturbation", "human_atlases", "mouse_atlases"} <= {
        path.stem for path in MANIFESTS
    }


def test_the_verb_says_what_is_wrong(tmp_path, capsys):
    assert main(["validate", "manifest", *(path.stem for path in MANIFESTS)]) == 0
    assert "human_atlases: 5 rows, 1 with an address" in capsys.readouterr().out
    text = (FOLDER / "pbmc.tsv").read_text(encoding="utf-8")
    for old, new, message in (
        ("sha256", "sha265", "no column 'sha256'; column 'sha265' (did you mean 'sha256'?)"),
        ("\ttrain", "\tdev", "split='dev' in line 2 (pbmc3k_raw)"),
        ("kang_2018", "pbmc3k_raw", "the id 'pbmc3k_raw' 2 times"),
        ("https://falex", "ftp://falex", "url='ftp://falexwolf.de"),
        ("\t2700", "", "line 2 has another number of fields"),
    ):
        path = tmp_path / "mine.tsv"
        path.write_text(text.replace(old, new), encoding="utf-8")
        assert main(["validate", "manifest", str(path)]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "cells.h5ad").touch()
    local = text.replace("https://falexwolf.de/data/pbmc3k_raw.h5ad", "cells.h5ad")
    path.write_text(local, encoding="utf-8")
    assert main(["validate", "manifest", str(path)]) == 0
    assert main(["validate", "manifest", "nothing"]) == 2
    assert "no data manifest 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_rows_follow_the_schema(path):
    found = rows(path)
    assert found and len({row["id"] for row in found}) == len(found)
    for row in found:
        assert list(row) == SCHEMA["required"], row["id"]
        for column, value in row.items():
            pattern = SCHEMA["properties"][column]["pattern"]
            assert re.search(pattern, value), f"{row['id']}: {column}={value!r}"
        assert row["url"] != "unknown" or row["accession"] != "unknown", row["id"]


def test_schema_and_readme_name_the_same_columns():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert list(SCHEMA["properties"]) == SCHEMA["required"]
    assert [c for c in SCHEMA["required"] if f"`{c}`" not in text] == []
