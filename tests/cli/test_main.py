from __future__ import annotations

import re
import subprocess
import sys

import anndata as ad
import pytest
import scanpy as sc
import yaml

import sctabnet as sct
from sctabnet.cli.main import VERBS, main


def run(capsys, *argv):
    capsys.readouterr()
    code = main([str(token) for token in argv])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


@pytest.fixture
def h5ad(cells, tmp_path):
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    return path


@pytest.mark.parametrize("verb", [verb for verb, function in VERBS.items() if callable(function)])
def test_every_verb_explains_itself(capsys, verb):
    with pytest.raises(SystemExit) as exit_:
        main([verb, "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: sctabnet {verb} [DATA ...] [--option VALUE ...]\n")
    assert "--config" in text and ("--data" in text or verb == "export")
    # every option says in words what it is, not by its type alone
    assert re.findall(r"^  (--\S+) \S+\s+\(", text, flags=re.MULTILINE) == []


def test_the_program_lists_its_verbs(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    for verb in VERBS:
        assert f"    {verb} " in text


def test_a_recipe_before_the_verb(model_folder, h5ad, tmp_path, capsys):
    """The verb is found wherever it stands: the sizes are those of the model to start from."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("finetune:\n  labels_key: cell_type\n")
    run(
        capsys, "--config", recipe, "finetune", "--data", h5ad, "--init", model_folder,
        "--model.labels.deep", "false", "--out", tmp_path / "model",
    )  # fmt: skip
    sizes = sct.Model.load(model_folder).config.encoder
    assert sct.Model.load(tmp_path / "model").config.encoder == sizes


def test_from_files_to_ranked_genes(h5ad, cells, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    encoder = {"n_d": 12, "n_a": 8, "n_steps": 2}
    recipe.write_text(
        yaml.safe_dump({
            "data": [str(h5ad)],
            "out": str(tmp_path / "pretrained"),
            "batch_key": "batch",
            "model": {"encoder": encoder},
            "trainer": {"max_epochs": 9, "minibatch_size": 64},
        })
    )  # fmt: skip
    said = run(
        capsys, "pretrain", "--config", recipe, "--trainer.max-epochs", 1,
        "--model.encoder.n_d", 8, "--model.reconstruct.dim=16",
    )  # fmt: skip
    assert f"wrote {tmp_path / 'pretrained'}" in said
    pretrained = sct.Model.load(tmp_path / "pretrained")
    assert pretrained.config.encoder.n_d == 8 and pretrained.config.encoder.n_a == 8
    assert pretrained.config.reconstruct.dim == 16 and pretrained.history[0]["epochs"] == 1
    assert pretrained.covariates == {"batch": ("batch_0", "batch_1")}

    said = run(
        capsys, "finetune", h5ad, "--labels-key", "cell_type", "--init", tmp_path / "pretrained",
        "--out", tmp_path / "model", "--trainer.max_epochs", 1,
        "--model.labels.label_smoothing", 0.1,
    )  # fmt: skip
    assert "3 labels" in said and f"wrote {tmp_path / 'model'}" in said
    model = sct.Model.load(tmp_path / "model")
    assert model.config.encoder == pretrained.config.encoder  # the sizes need not be said again
    assert model.config.labels.label_smoothing == 0.1
    assert [entry["task"] for entry in model.history] == ["pretrain", "labels"]

    said = run(
        capsys, "annotate", h5ad, "--model", tmp_path / "model", "--coverage", 0.9,
        "--probability", "--out", tmp_path / "new" / "annotated.h5ad",
    )  # fmt: skip
    assert "T/CD4" in said and "flagged as unknown" in said
    annotated = ad.read_h5ad(tmp_path / "new" / "annotated.h5ad")
    assert {"sctabnet_label", "sctabnet_label_set"} <= set(annotated.obs)
    assert {"X_sctabnet", "sctabnet_probability"} <= set(annotated.obsm)
    assert (annotated.X != cells.X).nnz == 0
    right = annotated.obs["sctabnet_label"].astype(str) == cells.obs["cell_type"].astype(str)
    assert right.mean() > 0.8

    said = run(
        capsys, "explain", tmp_path / "new" / "annotated.h5ad", "--model", tmp_path / "model",
        "--attention", "--method", "contribution", "--out", tmp_path / "explained.h5ad",
    )  # fmt: skip
    explained = ad.read_h5ad(tmp_path / "explained.h5ad")
    best = sc.get.rank_genes_groups_df(explained, "T/CD4", key="sctabnet_importance")["names"]
    assert f"T/CD4: {best[0]}, {best[1]}" in said
    assert "sctabnet_attention_step2" in explained.layers
    assert "sctabnet_label" in explained.obs


def test_overwriting_is_asked_for(h5ad, model_folder, tmp_path, capsys):
    out = tmp_path / "out.h5ad"
    out.write_text("old")
    run(capsys, "annotate", h5ad, "--model", model_folder, "--out", out, "--overwrite")
    assert "sctabnet_label" in ad.read_h5ad(out).obs
    options = ("--key-added", "again", "--overwrite", "true")
    run(capsys, "annotate", out, "--model", model_folder, "--out", out, *options)
    assert {"sctabnet_label", "again_label"} <= set(ad.read_h5ad(out).obs)


def test_several_files_and_patterns(cells, tmp_path, capsys):
    cells[:120].copy().write_h5ad(tmp_path / "a.h5ad")
    cells[120:].copy().write_h5ad(tmp_path / "b.h5ad")
    small = ("--trainer.max_epochs", 1, "--model.encoder.n_d", 8, "--model.encoder.n_a", 8)
    digests = set()
    for i, data in enumerate((
        (tmp_path / "a.h5ad", tmp_path / "b.h5ad"),
        ("--data", tmp_path / "a.h5ad", tmp_path / "b.h5ad"),
        (tmp_path / "?.h5ad",),
    )):  # fmt: skip
        run(capsys, "pretrain", *data, "--out", tmp_path / f"model{i}", *small)
        digests.add(sct.Model.load(tmp_path / f"model{i}").digest())
    assert len(digests) == 1


def test_the_seed_and_the_layer(cells, tmp_path, capsys):
    adata = cells.copy()
    adata.layers["counts"] = adata.X.copy()
    adata.X = -adata.X
    adata.write_h5ad(tmp_path / "a.h5ad")
    digests = []
    for i, seed in enumerate((0, 0, 1)):
        run(
            capsys, "pretrain", tmp_path / "a.h5ad", "--out", tmp_path / f"m{i}", "--seed", seed,
            "--layer", "counts", "--trainer.max_epochs", 1, "--model.encoder.n_d", 8,
        )  # fmt: skip
        digests.append(sct.Model.load(tmp_path / f"m{i}").digest())
    assert digests[0] == digests[1] != digests[2]


def test_a_warning_is_one_line(cells, model_folder, tmp_path, capsys):
    cells[:, :100].copy().write_h5ad(tmp_path / "few.h5ad")
    code = main([
        "annotate", str(tmp_path / "few.h5ad"), "--model", str(model_folder),
        "--out", str(tmp_path / "out.h5ad"),
    ])  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert code == 0 and len(lines) == 1
    assert lines[0].startswith("sctabnet: The data measured 100 of the model's 120 genes (")


def test_one_cell(cells, model_folder, tmp_path, capsys):
    cells[:1].copy().write_h5ad(tmp_path / "one.h5ad")
    out = tmp_path / "out.h5ad"
    run(capsys, "annotate", tmp_path / "one.h5ad", "--model", model_folder, "--out", out)
    assert ad.read_h5ad(out).n_obs == 1
    again = tmp_path / "again.h5ad"
    method = ("--method", "contribution")
    run(capsys, "explain", out, "--model", model_folder, "--out", again, *method)
    assert len(ad.read_h5ad(again).obs["sctabnet_top_genes"].iloc[0].split(", ")) == 5


@pytest.mark.slow
def test_as_a_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sctabnet.cli.main", "annotate", "no.h5ad", "--model", "m",
         "--out", str(tmp_path / "o.h5ad")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines() == [
        "sctabnet: m does not exist. Give a folder written by model.save."
    ]


def test_a_nested_verb_is_named_as_it_is_typed(capsys):
    assert main(["evaluate", "labels", "cells.h5ad", "--labels-key", "type", "--nope", "1"]) == 2
    assert "See sctabnet evaluate labels --help." in capsys.readouterr().err
