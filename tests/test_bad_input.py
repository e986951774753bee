"""Bad input gets one clear line, from Python and on the command line, and changes nothing."""

from __future__ import annotations

import hashlib
import importlib
import re
import shutil
import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import sctabnet as sct
from sctabnet.cli.main import main

LAYERS = r'.*look right: .*layer="good" \(counts\)'


def one_value(value):
    def change(adata):
        adata.X = sp.csr_matrix(adata.X).astype(np.float32)
        adata.X.data[100] = value
        return adata

    return change


def scaled(adata):
    dense = np.log1p(adata.X.toarray())
    adata.X = ((dense - dense.mean(0)) / (dense.std(0) + 1e-6)).astype(np.float32)
    return adata


def divided(adata):
    adata.X = adata.X.multiply(1 / np.pi).tocsr().astype(np.float32)
    return adata


def zeros(adata):
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32)
    return adata


def doubled_genes(adata):
    names = adata.var_names.to_numpy().copy()
    names[1] = names[0]
    adata.var_names = names
    return adata


def renamed(n_kept):
    def change(adata):
        adata.var_names = [
            name if i < n_kept else f"OTHER{i}" for i, name in enumerate(adata.var_names)
        ]
        return adata

    return change


# what is wrong with the matrix, and what the message must say
MATRICES = {
    "negative": (one_value(-1.0), r"negative values. Found -1 in row" + LAYERS),
    "nan": (one_value(np.nan), r"no numbers. Found nan in row" + LAYERS),
    "infinite": (one_value(np.inf), r"no numbers. Found inf in row" + LAYERS),
    "scaled": (scaled, r"negative values.*scaled" + LAYERS),
    "neither": (divided, r"neither counts nor log1p values. Found 0\.\d+" + LAYERS),
    "empty": (zeros, r"no value above zero"),
    "doubled": (doubled_genes, r"must be unique. Found 1 genes with more than one column"),
}
QUERIES = MATRICES | {
    "no shared gene": (renamed(0), "at least 50 are needed. Found 0 of the model's 120 genes"),
    "few shared genes": (renamed(49), "at least 50 are needed. Found 49 of the model's 120"),
}
TRAIN = {
    "pretrain": lambda adata, options: sct.pretrain(adata, **options),
    "finetune": lambda adata, options: sct.finetune(adata, labels_key="cell_type", **options),
}
APPLY = {
    "transfer_labels": sct.tl.transfer_labels,
    "embed": sct.tl.embed,
    "gene_importance": sct.tl.gene_importance,
}


@pytest.fixture
def adata(cells):
    adata = cells.copy()
    adata.layers["good"] = adata.X.copy()
    return adata


def broken(adata, change):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata warns of doubled names
        return change(adata)


def slots(adata):
    """Everything that a tool could write to: names, and the numbers of the matrix."""
    x = adata.X.toarray() if sp.issparse(adata.X) else np.asarray(adata.X)
    keys = [sorted(getattr(adata, a)) for a in ("obs", "var", "obsm", "varm", "layers", "uns")]
    return keys, hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()


def files(folder):
    """Every file below a folder with its content."""
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def fails(capsys, *argv):
    """Run a verb that must fail, and return its one line."""
    capsys.readouterr()
    assert main([str(token) for token in argv]) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("sctabnet: "), captured.err
    assert "Traceback" not in captured.err and "wrote" not in captured.out
    return lines[0]


@pytest.mark.parametrize("call", list(TRAIN))
@pytest.mark.parametrize("problem", list(MATRICES))
def test_training(adata, tiny, call, problem):
    change, message = MATRICES[problem]
    adata = broken(adata, change)
    before = slots(adata)
    with pytest.raises(ValueError, match=message):
        TRAIN[call](adata, tiny)
    assert slots(adata) == before


@pytest.mark.parametrize("call", list(APPLY))
@pytest.mark.parametrize("problem", list(QUERIES))
def test_applying(adata, model, call, problem):
    change, message = QUERIES[problem]
    adata = broken(adata, change)
    before = slots(adata)
    with pytest.raises(ValueError, match=message):
        APPLY[call](adata, model)
    assert slots(adata) == before


@pytest.mark.parametrize("problem", list(QUERIES))
def test_on_the_command_line(adata, model_folder, tmp_path, capsys, problem):
    change, message = QUERIES[problem]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = change(adata)
        adata.X = sp.csr_matrix(adata.X)  # training streams CSR only
        adata.write_h5ad(tmp_path / "cells.h5ad")
    before = files(tmp_path)
    data, out = tmp_path / "cells.h5ad", tmp_path / "out"
    for verb in ("annotate", "explain"):
        line = fails(capsys, verb, data, "--model", model_folder, "--out", f"{out}.h5ad")
        must_say(message, line)
    if problem in MATRICES:
        epochs = ("--trainer.max_epochs", 1)
        must_say(message, fails(capsys, "pretrain", data, "--out", out, *epochs))
        labels = ("--labels-key", "cell_type")
        must_say(message, fails(capsys, "finetune", data, *labels, "--out", out, *epochs))
        must_say(message, fails(capsys, "demo", data, *labels, "--out", out))
    assert files(tmp_path) == before


def must_say(message, line):
    assert re.search(message, line), line


@pytest.fixture
def h5ad(cells, tmp_path):
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    return path


def test_missing_and_damaged_files(h5ad, model_folder, tmp_path, capsys):
    text = tmp_path / "text.h5ad"
    text.write_text("a,b\n1,2\n")
    cut = tmp_path / "cut.h5ad"
    cut.write_bytes(h5ad.read_bytes()[:-5000])
    before = files(tmp_path)
    out = tmp_path / "out"
    for verb in (
        ("annotate", "--model", model_folder),
        ("explain", "--model", model_folder),
        ("pretrain",),
        ("finetune", "--labels-key", "cell_type"),
        ("demo", "--labels-key", "cell_type"),
    ):
        for path, message in (
            (tmp_path / "nowhere.h5ad", "does not exist"),
            (text, "cannot be"),
            (cut, "cannot be"),
        ):
            line = fails(capsys, verb[0], "--data", path, *verb[1:], "--out", out)
            assert message in line and path.name in line, line
    assert files(tmp_path) == before


def test_folders_that_are_no_model(h5ad, model_folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    changed = tmp_path / "changed"
    shutil.copytree(model_folder, changed)
    weights = bytearray((changed / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (changed / "model.safetensors").write_bytes(weights)
    before = files(tmp_path)
    for folder, message in (
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "empty", "is not a model folder"),
        (h5ad, "is not a model folder"),
        (changed, "model.safetensors was changed"),
    ):
        with pytest.raises(ValueError, match=message):
            sct.Model.load(folder)
        for verb in (
            ("annotate", "--model", folder),
            ("explain", "--model", folder),
            ("finetune", "--labels-key", "cell_type", "--init", folder),
        ):
            line = fails(capsys, verb[0], "--data", h5ad, *verb[1:], "--out", tmp_path / "out.h5ad")
            assert message in line
    assert files(tmp_path) == before


@pytest.fixture
def no_training(monkeypatch):
    """What can be known before training must be said before training."""

    def train(*_args, **_options):
        raise AssertionError("training began")

    monkeypatch.setattr(importlib.import_module("sctabnet.train.fit"), "fit", train)


@pytest.mark.usefixtures("no_training")
def test_places_that_cannot_be_written(h5ad, cells, model, model_folder, tmp_path, capsys, tiny):
    before = files(tmp_path)
    out = h5ad / "out.h5ad"
    for verb in (
        ("annotate", "--model", model_folder),
        ("explain", "--model", model_folder),
        ("pretrain",),
        ("finetune", "--labels-key", "cell_type"),
        ("demo", "--labels-key", "cell_type"),
    ):
        line = fails(capsys, verb[0], "--data", h5ad, *verb[1:], "--out", out)
        assert "cannot be written. Found Not a directory" in line
    with pytest.raises(ValueError, match="cannot be written"):
        model.save(out)
    for call in TRAIN.values():
        with pytest.raises(ValueError, match="cannot be written"):
            call(cells, tiny | {"out": out})
    assert files(tmp_path) == before


@pytest.mark.usefixtures("no_training")
def test_what_is_there_already_is_kept(h5ad, cells, model_folder, tmp_path, capsys, tiny):
    (tmp_path / "out").write_text("mine")
    before = files(tmp_path)
    for verb in (
        ("annotate", "--model", model_folder),
        ("explain", "--model", model_folder),
        ("pretrain",),
        ("finetune", "--labels-key", "cell_type"),
    ):
        line = fails(capsys, verb[0], "--data", h5ad, *verb[1:], "--out", tmp_path / "out")
        assert "exists already. Nothing was changed" in line
    for call in TRAIN.values():
        with pytest.raises(ValueError, match="exists already"):
            call(cells, tiny | {"out": tmp_path / "out"})
    assert files(tmp_path) == before


def test_columns_that_are_there_already(annotated, model, model_folder, tmp_path, capsys):
    adata = annotated.copy()
    before = slots(adata)
    with pytest.raises(ValueError, match="adata.obs already has .*sctabnet_label.*overwrite=True"):
        sct.tl.transfer_labels(adata, model)
    assert slots(adata) == before
    adata.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "out.h5ad"
    line = fails(capsys, "annotate", tmp_path / "cells.h5ad", "--model", model_folder, "--out", out)
    assert "already has" in line and not out.exists()


def test_log1p_values_for_a_model_of_counts(adata, model, model_folder, tmp_path, capsys):
    adata.X = (adata.X / adata.X.sum(1) * 1e4).tocsr().log1p().astype(np.float32)
    for call in APPLY.values():
        with pytest.raises(ValueError, match='trained on raw counts.*Pass layer="good" .counts'):
            call(adata, model)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "out.h5ad"
    line = fails(capsys, "annotate", tmp_path / "cells.h5ad", "--model", model_folder, "--out", out)
    assert "trained on raw counts" in line and not out.exists()


def test_labels(cells, h5ad, tmp_path, tiny, capsys):
    adata = cells.copy()
    adata.obs["one"] = "T"
    adata.obs["none"] = np.nan
    adata.obs["rare"] = [f"type {i}" for i in range(adata.n_obs)]
    for key, message in (
        ("cell_typ", r"'cell_typ' is not a column .*Found \['cell_type', 'donor', 'batch'"),
        ("one", r"at least two cell types.*only 'T'"),
        ("none", r"at least two cell types.*no label at all"),
        ("rare", "too few labelled cells"),
    ):
        with pytest.raises((ValueError, KeyError), match=message):
            sct.finetune(adata, labels_key=key, **tiny)
    with pytest.raises(ValueError, match="labels_key"):
        sct.finetune(adata, **tiny)
    with pytest.raises(KeyError, match="'bath' is not a column .*'batch'"):
        sct.finetune(adata, labels_key="cell_type", batch_key="bath", **tiny)
    adata.write_h5ad(tmp_path / "labels.h5ad")
    before = files(tmp_path)
    for verb in ("finetune", "demo"):
        for key, message in (("cell_typ", "cell_type"), ("one", "only 'T'"), ("none", "no label")):
            line = fails(
                capsys, verb, tmp_path / "labels.h5ad", "--labels-key", key, "--out", tmp_path / "o"
            )
            assert message in line
    assert "labels_key was not given" in fails(capsys, "demo", h5ad, "--out", tmp_path / "o")
    assert files(tmp_path) == before


def test_layers_and_groups(adata, model):
    before = slots(adata)
    for call in APPLY.values():
        with pytest.raises(KeyError, match="layer='god' is not in.*Did you mean 'good'"):
            call(adata, model, layer="god")
        with pytest.raises(KeyError, match="layer='raw' asks for adata.raw, which is empty"):
            call(adata, model, layer="raw")
        with pytest.raises(ValueError, match="key_added must be a non-empty name"):
            call(adata, model, key_added="a/b")
    with pytest.raises(KeyError, match="groupby='cell_typ'.*Did you mean 'cell_type'"):
        sct.tl.gene_importance(adata, model, "cell_typ")
    adata.obs["depth"] = np.linspace(0, 1, adata.n_obs)
    with pytest.raises(ValueError, match="groupby='depth' must hold groups of cells. Found numb"):
        sct.tl.gene_importance(adata, model, "depth")
    with pytest.raises(ValueError, match="method must be one of"):
        sct.tl.gene_importance(adata, model, method="attention")
    with pytest.raises(ValueError, match="coverage must lie between 0 and 1. Found 1.5"):
        sct.tl.transfer_labels(adata, model, coverage=1.5)
    with pytest.raises(ValueError, match="must lie between 0 and 1. Found 0"):
        sct.tl.transfer_labels(adata, model, false_positive_rate=0)
    del adata.obs["depth"]
    assert slots(adata) == before


def test_a_model_without_labels(cells, pretrained):
    with pytest.raises(ValueError, match="names no cell types.*finetune"):
        sct.tl.transfer_labels(cells, pretrained)


def test_options(cells, tiny, h5ad, tmp_path, capsys):
    for call in TRAIN.values():
        with pytest.raises(ValueError, match="Unknown option 'max_epoch'. Did you mean 'max_epoc"):
            call(cells, {"max_epoch": 2})
        for option in (
            {"max_epochs": 0},
            {"mask": "softmin"},
            {"support": "all"},
            {"gamma": 0.5},
            {"n_d": 0},
            {"validation_fraction": 1.5},
            {"mask_ratio": 1.0},
            {"loss": "huber"},
            {"learning_rate": -1.0},
            {"trainer": {"max_epoch": 2}},
        ):
            with pytest.raises(ValueError, match=r"Found|is not known. Choose|Unknown option"):
                call(cells, tiny | option)
    before = files(tmp_path)
    for tokens, message in (
        (("--trainer.max_epoch", 2), "--trainer.max_epoch. Did you mean --trainer.max_epochs?"),
        (("--model.encodr.n_d", 8), "--model.encodr.n_d. Did you mean --model.encoder.n_d?"),
        (("--trainer.max_epochs", "two"), "--trainer.max_epochs must be of type int. Found two"),
        (("--trainer.max_epochs", 0), "must be at least 1. Found 0"),
        (("--model.encoder.mask", "softmin"), "--model.encoder.mask must be one of"),
        (("--config", tmp_path / "no.yaml"), "no.yaml"),
    ):
        line = fails(capsys, "pretrain", h5ad, "--out", tmp_path / "p", *tokens)
        assert message in line, line
    assert "Did you mean annotate" in fails(capsys, "anotate", h5ad)
    assert "Missing option --model" in fails(capsys, "annotate", h5ad, "--out", tmp_path / "p")
    assert "There is no verb" in fails(capsys)
    assert files(tmp_path) == before


def test_an_unknown_key_in_a_recipe(h5ad, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"data: [{h5ad}]\nout: {tmp_path / 'p'}\ntrainer:\n  max_epoch: 2\n")
    line = fails(capsys, "pretrain", "--config", recipe)
    assert "--trainer.max_epoch. Did you mean --trainer.max_epochs?" in line
    recipe.write_text("data: [")
    assert "config" in fails(capsys, "pretrain", "--config", recipe)
    assert not (tmp_path / "p").exists()


def test_too_few_cells_to_train_on(cells, tiny):
    for n in (0, 1):
        with pytest.raises(ValueError, match="Found"):
            sct.pretrain(cells[:n].copy(), **tiny)
        with pytest.raises(ValueError, match="Found"):
            sct.finetune(cells[:n].copy(), labels_key="cell_type", **tiny)


def test_no_cells_to_annotate(cells, model):
    for call in APPLY.values():
        with pytest.raises(ValueError, match="Found"):
            call(cells[:0].copy(), model)


def test_a_newer_model_is_refused_with_the_reason(model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "model")
    manifest = tmp_path / "model" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(ValueError, match="newer sctabnet. Found format 99"):
        sct.Model.load(tmp_path / "model")


def test_ids_that_are_numbers(cells, model):
    strange = ad.AnnData(cells.X, obs=cells.obs)
    with pytest.raises(ValueError, match="numbers as names, the model has gene symbols"):
        sct.tl.embed(strange, model)


@pytest.mark.parametrize("call", list(APPLY))
def test_paths_in_place_of_objects(cells, model, model_folder, call):
    with pytest.raises(ValueError, match="adata must be of class AnnData. Found str. Read a file"):
        APPLY[call]("cells.h5ad", model)
    with pytest.raises(ValueError, match="model must be of class Model. Found PosixPath"):
        APPLY[call](cells, model_folder)


def test_arguments_of_the_wrong_type(adata, model):
    before = slots(adata)
    for options, message in (
        ({"coverage": "0.9"}, "coverage must lie between 0 and 1. Found '0.9'"),
        ({"majority_voting": 3}, "majority_voting=3 is not a column of adata.obs"),
        ({"layer": 3}, "layer=3 is not in adata.layers"),
        ({"key_added": 3}, "key_added must be a non-empty name"),
    ):
        with pytest.raises(ValueError, match=message):
            sct.tl.transfer_labels(adata, model, **options)
    adata.obs["none"] = pd.Categorical([None] * adata.n_obs, categories=["a"])
    with pytest.raises(ValueError, match="groupby='none' must hold groups of cells. Found no val"):
        sct.tl.gene_importance(adata, model, "none")
    del adata.obs["none"]
    assert slots(adata) == before


def test_something_else_in_uns_is_kept(adata, model):
    adata.uns["sctabnet"] = "mine"
    before = slots(adata)
    for call in (sct.tl.transfer_labels, sct.tl.embed):
        with pytest.raises(ValueError, match=r"adata.uns\['sctabnet'\] is not of sctabnet"):
            call(adata, model)
    assert slots(adata) == before and adata.uns["sctabnet"] == "mine"


@pytest.mark.usefixtures("no_training")
def test_a_start_or_options_that_do_not_fit(cells, model, tiny):
    strange = cells.copy()
    strange.var_names = [f"ENSG{i:011}" for i in range(cells.n_vars)]
    for data, options, message in (
        (strange, {"init": model}, "Too few genes in common with the model.*Found 0 of"),
        (cells, {"init": 3}, "init must be of class Model. Found int"),
        (cells, {"dose_key": "dose"} | tiny, "describe perturbations. Found labels_key"),
        (cells, {"seed": "a"} | tiny, "seed must be of type int. Found 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            sct.finetune(data, labels_key="cell_type", **options)


def test_a_link_into_another_file_is_not_followed(h5ad, model_folder, tmp_path, capsys):
    other = shutil.copy(h5ad, tmp_path / "other.h5ad")
    with h5py.File(h5ad, "r+") as file:
        del file["X/data"]
        file["X/data"] = h5py.ExternalLink(str(other), "/X/data")
    for verb in ("annotate", "explain"):
        out = tmp_path / "out.h5ad"
        line = fails(capsys, verb, h5ad, "--model", model_folder, "--out", out)
        assert "points at another file" in line and not out.exists()


@pytest.mark.usefixtures("no_training")
def test_what_overwrite_does_not_replace(h5ad, model_folder, tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    before = files(tmp_path)
    for verb in ("annotate", "explain"):
        line = fails(capsys, verb, h5ad, "--model", model_folder, "--out", folder, "--overwrite")
        assert "is a folder. Nothing was changed" in line
    labels = ("--labels-key", "cell_type")
    for out, message in ((folder, "is not only a model folder"), (h5ad, "and is a file")):
        for verb in (("pretrain",), ("finetune", *labels)):
            assert message in fails(capsys, verb[0], h5ad, *verb[1:], "--out", out, "--overwrite")
    assert files(tmp_path) == before


def test_backed_cells_stay_as_they_are(h5ad, model):
    backed = ad.read_h5ad(h5ad, backed="r")
    for call in (sct.tl.transfer_labels, sct.tl.embed):
        with pytest.raises(ValueError, match="view of a backed AnnData.*Found 50 cells"):
            call(backed[:50], model)
        assert call(backed[:50], model, copy=True).n_obs == 50
        call(backed, model, copy=True)  # anndata closes the file here
        call(backed, model)
    assert backed.isbacked and len(backed.obsm["X_sctabnet"]) == backed.n_obs
    backed.file.close()


def test_no_table_to_resolve_genes_by(cells):
    adata = cells.copy()
    before = slots(adata)
    with pytest.raises(ValueError, match="no table of genes to look in"):
        sct.tl.resolve_genes(adata, [])
    with pytest.raises(ValueError, match="adata must be of class AnnData. Found str"):
        sct.tl.resolve_genes("cells.h5ad", [])
    assert slots(adata) == before


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_a_damaged_recipe_of_a_run(tmp_path, capsys, text):
    (tmp_path / "recipe.yaml").write_text(text)
    assert "recipe.yaml is damaged" in fails(capsys, "pretrain", "--resume", tmp_path)
