"""Every row of every manifest, against the schema; offline."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "data_manifests"
MANIFESTS = sorted(FOLDER.glob("*.tsv"))
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", strict=True))


def test_there_are_manifests():
    assert {"pbmc", "integration", "perturbation"} <= {path.stem for path in MANIFESTS}


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
