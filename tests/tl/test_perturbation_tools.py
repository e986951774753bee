"""Predicted cells go into the tools that judge perturbations as they are."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest

import sctabnet as sct


@pytest.fixture(scope="module")
def measured():
    screen = sct.datasets.simulate_perturbation(
        60, n_targets=4, n_pairs=2, n_contexts=1, cells_per_condition=20, n_control=40
    )
    sums = np.asarray(screen.X.sum(axis=1)).reshape(-1, 1)
    screen.X = np.log1p(1e4 * screen.X.toarray() / sums).astype(np.float32)
    return screen


@pytest.fixture(scope="module")
def predicted(measured):
    model = sct.finetune(measured, perturbation_key="perturbation")
    cells = sct.tl.predict_perturbation(measured, model, ["P1", "P2"], n_cells=20)
    controls = measured[measured.obs["perturbation"] == "control"].copy()
    found = ad.concat([controls, cells], join="inner", index_unique="-")
    found.obs_names_make_unique()
    found.X = found.X.toarray() if hasattr(found.X, "toarray") else found.X
    return found


def test_pertpy_measures_distances_between_predicted_conditions(predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pertpy = pytest.importorskip("pertpy", exc_type=ImportError)
        predicted.obsm["X_log"] = np.asarray(predicted.X)
        distance = pertpy.tl.Distance(metric="edistance", obsm_key="X_log")
        table = distance.pairwise(predicted, groupby="perturbation", show_progressbar=False)
    assert set(table.index) == {"control", "P1", "P2"}
    assert np.isfinite(table.to_numpy()).all() and table.loc["control", "P1"] > 0


def test_cell_eval_compares_predicted_with_measured_cells(predicted, measured):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("cell_eval")
        from cell_eval._types import PerturbationAnndataPair

        real = measured[measured.obs["perturbation"].isin(["control", "P1", "P2"])].copy()
        pair = PerturbationAnndataPair(
            real=real, pred=predicted, pert_col="perturbation", control_pert="control"
        )
    assert set(pair.perts) >= {"P1", "P2"}
