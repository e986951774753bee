from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import sctabnet as sct
from sctabnet.model.model_config import ModelConfig
from sctabnet.train.trainer_config import TrainerConfig


def same(first, second):
    one, other = first.network.state_dict(), second.network.state_dict()
    return [name for name in one if not torch.equal(one[name], other[name])] == []


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generator(cells, tiny, model):
    torch.manual_seed(123)
    np.random.seed(123)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = sct.finetune(cells, labels_key="cell_type", **tiny)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    torch.manual_seed(7)
    again = sct.finetune(cells, labels_key="cell_type", **tiny)
    assert same(first, again) and first.history == again.history
    assert torch.equal(first.calibration.logits, again.calibration.logits)
    other = sct.finetune(cells, labels_key="cell_type", seed=1, **tiny)
    assert not same(first, other)


def test_history_tells_what_was_done(model, cells):
    pretraining, training = model.history
    assert pretraining["task"] == "pretrain" and training["task"] == "labels"
    assert training["labels_key"] == "cell_type" and training["batch_key"] == "batch"
    assert training["n_cells"] == 240 and pretraining["data"] == training["data"]
    assert {"gate", "temperature", "log_loss", "log_loss_wide", "ridge_c"} <= set(training)
    assert model.labels == ("B cell", "NK", "T/CD4")
    assert model.covariates == {"batch": ("batch_0", "batch_1")}
    assert model.config.accepts == "counts"


def test_the_pretrained_model_and_the_callers_options_are_not_changed(cells, pretrained):
    before = pretrained.digest(), pretrained.config.to_dict(), list(pretrained.history)
    config, trainer = (
        ModelConfig.from_dict(pretrained.config.to_dict()),
        TrainerConfig(max_epochs=1),
    )
    given = config.to_dict()
    sct.finetune(
        cells, init=pretrained, labels_key="cell_type", seed=5, model=config, trainer=trainer
    )
    assert (pretrained.digest(), pretrained.config.to_dict(), list(pretrained.history)) == before
    assert config.to_dict() == given and trainer == TrainerConfig(max_epochs=1)


def test_new_genes_join_those_of_the_pretrained_model(cells, pretrained):
    other = cells[:, 20:].copy()
    other.var_names = [f"NEW{i}" if i < 10 else name for i, name in enumerate(other.var_names)]
    model = sct.finetune(other, init=pretrained, labels_key="cell_type", max_epochs=1)
    assert len(model.vocabulary) == 130
    assert set(pretrained.vocabulary.ids) < set(model.vocabulary.ids)
    lost = model.vocabulary.index(list(cells.var_names[:20]))
    kept = pretrained.vocabulary.index(list(cells.var_names[:20]))
    mine, theirs = model.network.encoder, pretrained.network.encoder
    assert torch.equal(mine.mean[lost], theirs.mean[kept])  # no cell of the new data measured them


def test_sizes_of_the_pretrained_model_stay(cells, pretrained):
    with pytest.raises(ValueError, match="encoders differ in size"):
        sct.finetune(cells, init=pretrained, labels_key="cell_type", n_d=16)


def test_unlabelled_rare_and_unused_labels(cells, tiny):
    adata = cells.copy()
    labels = adata.obs["cell_type"].astype(object).to_numpy()
    labels[:30] = np.nan
    labels[30] = "alone"
    adata.obs["known"] = pd.Categorical(
        labels, categories=["never", "NK", "T/CD4", "B cell", "alone"]
    )
    model = sct.finetune(adata, labels_key="known", **tiny)
    assert model.labels == ("B cell", "NK", "T/CD4", "alone")
    assert model.history[-1]["n_cells"] == 210
    result = sct.tl.transfer_labels(adata, model, copy=True)
    assert list(result.obs["sctabnet_label"].cat.categories) == list(model.labels)
    right = result.obs["sctabnet_label"] == cells.obs["cell_type"].astype(str).to_numpy()
    assert right.mean() > 0.8


def test_labels_may_be_numbers_or_booleans(cells, tiny):
    adata = cells.copy()
    adata.obs["cluster"] = adata.obs["cell_type"].cat.codes.astype(int)
    adata.obs["is_nk"] = (adata.obs["cell_type"] == "NK").to_numpy()
    assert sct.finetune(adata, labels_key="cluster", **tiny).labels == ("0", "1", "2")
    assert sct.finetune(adata, labels_key="is_nk", **tiny).labels == ("False", "True")


def test_a_batch_of_few_cells_and_cells_without_a_batch(cells, tiny):
    adata = cells.copy()
    batch = adata.obs["batch"].astype(object).to_numpy()
    batch[:] = "a"
    batch[5], batch[6] = "b", np.nan
    adata.obs["batch"] = batch
    model = sct.finetune(adata, labels_key="cell_type", batch_key="batch", **tiny)
    assert model.covariates == {"batch": ("a", "b")}


@pytest.mark.parametrize("options", [{"deep": False}, {"wide": False}, {"support": "panel"}])
def test_every_arm_learns_the_types(cells, tiny, options):
    if "wide" in options:  # without the regression it takes some training
        options = options | {"max_epochs": 20, "learning_rate": 0.02, "panel_dropout": 0.2}
    model = sct.finetune(cells, labels_key="cell_type", **(tiny | options))
    result = sct.tl.transfer_labels(cells, model, copy=True)
    right = result.obs["sctabnet_label"].astype(str) == cells.obs["cell_type"].astype(str)
    assert right.mean() > 0.8
    assert ("gate" in model.history[-1]) == ("support" in options)


def test_two_files_with_other_genes(cells, tiny, tmp_path):
    cells[:120, :90].copy().write_h5ad(tmp_path / "a.h5ad")
    cells[120:, 30:].copy().write_h5ad(tmp_path / "b.h5ad")
    files = [tmp_path / "a.h5ad", str(tmp_path / "b.h5ad")]
    model = sct.finetune(files, labels_key="cell_type", out=tmp_path / "model", **tiny)
    assert model.vocabulary.ids == tuple(sorted(cells.var_names))
    assert sct.Model.load(tmp_path / "model").digest() == model.digest()
    again = sct.finetune(str(tmp_path / "?.h5ad"), labels_key="cell_type", **tiny)
    assert same(model, again)
