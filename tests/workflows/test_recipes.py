"""Every recipe is one that its verb takes, and the smoke ones run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import jsonargparse
import pytest
import yaml

import sctabnet as sct
from sctabnet.cli._parser import Parser
from sctabnet.cli.main import VERBS, main

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
RECIPES = sorted((FOLDER / "recipes").glob("*.yaml"))
NEEDED = {"data": ["a.h5ad"], "labels_key": "x", "out": "o", "perturbations": ["A"]}


def verb(recipe: Path) -> str:
    return re.match(
        rf"# sctabnet (\w+) --config workflows/recipes/{recipe.name}", recipe.read_text()
    )[1]


def test_the_recipes_that_were_promised():
    named = {"pretrain_human", "pretrain_mouse", "finetune_labels", "integrate", "perturb"}
    assert named <= {recipe.stem for recipe in RECIPES}
    text = (FOLDER / "README.md").read_text()
    assert [r.name for r in RECIPES if f"`recipes/{r.name}` | `{verb(r)}`" not in text] == []
    scripts = {path.name for path in (FOLDER / "benchmarks").glob("*.py")}
    assert set(re.findall(r"`benchmarks/(\w+\.py)`", text)) <= scripts


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_parsed_by_its_verb(recipe):
    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = Parser(prog="sctabnet", exit_on_error=False)
    parser.add_function_arguments(VERBS[verb(recipe)], as_group=False, sub_configs=True)
    options = yaml.safe_load(recipe.read_text())
    needed = {k: v for k, v in NEEDED.items() if f"--{k}" in parser.format_help()}
    if verb(recipe) == "perturb":
        needed["data"] = "a.h5ad"
    parsed = parser.parse_object(needed | options)
    for name, value in options.items():
        if not isinstance(value, dict):
            assert parsed[name] == value


def test_an_unknown_key_is_named_with_the_closest(tmp_path, capsys):
    for text, hint in (
        ("trainer:\n  max_epoch: 3\n", "--trainer.max_epochs"),
        ("model:\n  encoder:\n    n_dd: 3\n", "--model.encoder.n_d"),
        ("sead: 1\n", "--seed"),
    ):
        (tmp_path / "bad.yaml").write_text(text)
        argv = ["pretrain", "a.h5ad", "--out", "o", "--config", str(tmp_path / "bad.yaml")]
        assert main(argv) == 2
        assert f"Did you mean {hint}?" in capsys.readouterr().err


def test_the_smoke_recipes_run_one_after_the_other(cells, tmp_path, capsys):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    run = tmp_path / "run"
    recipe = FOLDER / "recipes" / "smoke_pretrain.yaml"
    argv = ["pretrain", str(tmp_path / "cells.h5ad"), "--config", str(recipe), "--run", str(run)]
    assert main(argv) == 0, capsys.readouterr().err
    assert main(["pretrain", "--resume", str(run)]) == 0, capsys.readouterr().err
    assert main(["export", str(run), str(tmp_path / "pretrained")]) == 0
    recipe = FOLDER / "recipes" / "smoke_finetune.yaml"
    argv = ["finetune", str(tmp_path / "cells.h5ad"), "--config", str(recipe)]
    argv += ["--labels-key", "cell_type", "--init", str(tmp_path / "pretrained")]
    assert main([*argv, "--out", str(tmp_path / "model")]) == 0, capsys.readouterr().err
    model = sct.Model.load(tmp_path / "model")
    assert [entry["task"] for entry in model.history] == ["pretrain", "labels"]


def test_the_rules_of_the_snakefile_are_a_chain(tmp_path):
    snakemake = shutil.which("snakemake")
    if snakemake is None:
        pytest.skip("snakemake is not installed (pip install 'sctabnet[workflow]')")
    command = [snakemake, "-n", "-s", str(FOLDER / "Snakefile"), "--config", "data=a.h5ad"]
    command += ["labels_key=cell_type", f"out={tmp_path}/out"]

    def dry_run(*more):
        done = subprocess.run([*command, *more], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    found = dry_run()
    rules = ("manifest", "prepare", "pretrain", "export", "finetune", "annotate", "report")
    places = [found.index(f"rule {rule}:") for rule in rules]
    assert places == sorted(places) and "rule evaluate:" in found
    # cells whose types nobody knows are reported, not scored
    found = dry_run("query=b.h5ad")
    assert "rule report:" in found and "rule evaluate:" not in found
    assert "rule evaluate:" in dry_run("query=b.h5ad", "truth_key=known")
