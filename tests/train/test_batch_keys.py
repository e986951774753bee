from __future__ import annotations

import numpy as np
import pytest

import sctabnet as sct
from sctabnet.cli.main import main

TINY = {"n_d": 8, "n_a": 8, "dim": 16, "max_epochs": 1}


@pytest.fixture(scope="module")
def several(cells):
    adata = cells.copy()
    adata.obs["assay"] = np.where(np.arange(adata.n_obs) % 3 == 0, "3 prime", "5 prime")
    return adata


@pytest.fixture(scope="module")
def trained(several):
    start = sct.pretrain(several, batch_key=["assay", "batch"], **TINY)
    model = sct.finetune(
        several, init=start, labels_key="cell_type", batch_key=["batch", "assay"], **TINY
    )
    return start, model


def test_every_key_is_a_covariate_in_the_order_given(trained):
    start, model = trained
    assert list(start.covariates) == ["assay", "batch"]
    assert model.covariates == {"batch": ("batch_0", "batch_1"), "assay": ("3 prime", "5 prime")}
    assert model.history[-1]["batch_key"] == ["batch", "assay"]


def test_the_embedding_is_corrected_for_the_first_key(trained):
    start, model = trained
    assert start.network.integrate.mixture.shifts.shape[1] == 3  # unknown and two assays
    assert start.covariates["assay"] == ("3 prime", "5 prime")
    assert model.network.integrate is not None


def test_a_new_atlas_may_lack_a_column_or_bring_other_levels(trained, several, tmp_path):
    _, model = trained
    model.save(tmp_path / "model")
    again = sct.Model.load(tmp_path / "model")
    assert again.covariates == model.covariates
    query = several[:60].copy()
    query.obs["batch"] = "new"
    del query.obs["assay"]
    sct.tl.transfer_labels(query, again)
    other = several[:60].copy()
    del other.obs["batch"]
    other.obs["assay"] = None
    sct.tl.transfer_labels(other, again)
    np.testing.assert_array_equal(
        query.obs["sctabnet_confidence"], other.obs["sctabnet_confidence"]
    )


def test_columns_that_cannot_be_batches_are_refused(several):
    for train in (sct.pretrain, sct.finetune):
        options = {"labels_key": "cell_type"} if train is sct.finetune else {}
        with pytest.raises(ValueError, match="names a column twice"):
            train(several, batch_key=["batch", "batch"], **options)
        with pytest.raises(ValueError, match="batch_key must be text"):
            train(several, batch_key=["batch", 3], **options)
        with pytest.raises(KeyError, match="bath"):
            train(several, batch_key=["batch", "bath"], **options)
    with pytest.raises(ValueError, match="must be different columns"):
        sct.finetune(several, labels_key="cell_type", batch_key=["batch", "cell_type"])


def test_whole_batches_are_held_out_and_a_type_of_one_batch_does_not_hide_it(cells):
    adata = cells[cells.obs["cell_type"] != "NK"].copy()
    adata.obs["batch"] = np.arange(adata.n_obs) % 4
    adata.obs["batch"] = adata.obs["batch"].astype(str)
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(str)
    for batch in "0123":  # one cell of a type of its own in every batch
        adata.obs.loc[adata.obs_names[adata.obs["batch"] == batch][0], "cell_type"] = f"own {batch}"
    options = {"labels_key": "cell_type", "deep": False}
    with_batches = sct.finetune(adata, batch_key="batch", **options)
    assert with_batches.history[-1]["other_batches"]
    assert not sct.finetune(adata, **options).history[-1]["other_batches"]


def test_a_recipe_or_a_command_names_several(several, tmp_path):
    several.write_h5ad(tmp_path / "cells.h5ad")
    base = ["finetune", str(tmp_path / "cells.h5ad"), "--labels_key", "cell_type"]
    base += ["--model.labels.deep", "false"]
    for keys, found in (('["batch", "assay"]', ["batch", "assay"]), ("assay", ["assay"])):
        out = tmp_path / f"{len(found)}"
        main([*base, "--batch_key", keys, "--out", str(out)])
        assert list(sct.Model.load(out).covariates) == found


def test_effects_are_taken_within_each_combination():
    screen = sct.datasets.simulate_perturbation(40, n_targets=4, n_pairs=3, cells_per_condition=30)
    screen.obs["lane"] = (np.arange(screen.n_obs) % 2).astype(str)
    about = sct.finetune(
        screen, perturbation_key="perturbation", batch_key=["batch", "lane"]
    ).network.perturb.about
    assert about["batch_key"] == ["batch", "lane"]
