"""What the README says is so: commands parse, the notebook example runs, the table is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import scanpy as sc

import sctabnet as sct
from sctabnet._keys import Keys
from sctabnet.cli.main import VERBS, main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    lines = [line.split(" #")[0] for block in blocks("bash") for line in block.splitlines()]
    lines += re.findall(r"`\.venv/bin/(sctabnet .*?)`", README)
    return [line.strip() for line in lines if line.startswith("sctabnet ")]


def test_is_short():
    assert len(README.splitlines()) < 150


def test_every_verb_of_the_readme_is_one_and_takes_its_options(tmp_path, monkeypatch, capsys):
    """The files are not there: that, and nothing about options, must be what is wrong."""
    monkeypatch.chdir(tmp_path)
    found = commands()
    assert len(found) >= 6
    for command in found:
        argv = shlex.split(command)[1:]
        assert argv[0] in VERBS, command
        assert main(argv) == 2
        message = capsys.readouterr().err
        assert "does not exist" in message, f"{command}: {message}"


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for block in blocks("bash"):
        for target in re.findall(r"^make (\w+)", block, flags=re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@pytest.mark.filterwarnings("ignore:The set_bad function will be:PendingDeprecationWarning")
def test_the_notebook_example_runs(cells, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda *_, **__: None)
    for call in ("pretrain", "finetune"):
        whole = getattr(sct, call)
        options = tiny if call == "pretrain" else {"max_epochs": 2}
        monkeypatch.setattr(
            sct, call, lambda *a, w=whole, o=options, **k: w(*a, **(o | k)), raising=False
        )
    dotplot = sc.pl.rank_genes_groups_dotplot
    monkeypatch.setattr(
        sc.pl, "rank_genes_groups_dotplot", lambda *a, **k: dotplot(*a, dendrogram=False, **k)
    )
    cells[:120].copy().write_h5ad("reference.h5ad")
    cells[120:].copy().write_h5ad("query.h5ad")
    [example] = blocks("python")
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    plt.close("all")
    query = names["query"]
    assert "sctabnet_label" in query.obs and (tmp_path / "model" / "manifest.json").is_file()


def test_the_table_of_slots_is_what_is_written(annotated):
    table = re.findall(r"^\| (`.*?) \|", README, flags=re.MULTILINE)
    slots = re.findall(r'`(\w+)\["(\w+)"\]', "\n".join(table))
    assert len(slots) >= 12
    certified = Keys("sctabnet").importance_qvalue  # opt-in: see the tests of tl
    assert ("var", certified) in slots
    for place, name in slots:
        assert name in getattr(annotated, place) or name == certified, f"{place}[{name!r}]"
    for row in table:
        place, name = re.search(r'`(\w+)\["(\w+)"\]', row).groups()
        for suffix in re.findall(r"`\.\.\.(_\w+)`", row):
            present = getattr(annotated, place)
            assert f"{name}{suffix}" in present or f"sctabnet{suffix}" in present, row


def test_the_files_to_read_exist():
    for path in re.findall(r"^\d+\. `(\S+?)`", README, flags=re.MULTILINE):
        assert (ROOT / path).is_file(), path
