from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import sctabnet as sct
from sctabnet.train.read_perturbations import read_perturbations


def logged(adata):
    out = adata.copy()
    x = out.X.toarray()
    out.X = sp.csr_matrix(np.log1p(1e4 * x / x.sum(1, keepdims=True)).astype(np.float32))
    return out


@pytest.fixture(scope="module")
def screen():
    return sct.datasets.simulate_perturbation(
        80, n_targets=6, n_pairs=8, n_contexts=2, cells_per_condition=30, n_control=60
    )


@pytest.fixture(scope="module")
def log_screen(screen):
    return logged(screen)


@pytest.fixture(scope="module")
def model(log_screen):
    return sct.finetune(log_screen, perturbation_key="perturbation", context_keys=["cell_type"])


def dense(adata):
    return adata.X.toarray() if sp.issparse(adata.X) else np.asarray(adata.X)


def test_control_is_identity_bit_for_bit(model, log_screen):
    found = sct.tl.predict_perturbation(log_screen, model, ["control", "ctrl"])
    start = log_screen[found.obs["control_cell"].to_list()]
    np.testing.assert_array_equal(dense(found), dense(start))
    assert set(found.obs["support"]) == {"seen"}


def test_order_of_parts_bit_for_bit(model, log_screen):
    one, other = (
        sct.tl.predict_perturbation(log_screen, model, [name], n_cells=20)
        for name in ("P1+P6", "P6+P1")
    )
    np.testing.assert_array_equal(dense(one), dense(other))


def test_cells_do_not_depend_on_other_cells_or_columns(model, log_screen):
    controls = log_screen[log_screen.obs["perturbation"] == "control"]
    whole = sct.tl.predict_perturbation(controls, model, ["P1+P2"])
    part = controls[::3, np.random.default_rng(0).permutation(controls.n_vars)].copy()
    some = sct.tl.predict_perturbation(part, model, ["P1+P2"])
    assert list(some.var_names) == list(part.var_names)
    np.testing.assert_allclose(dense(some), dense(whole[some.obs_names, some.var_names]), atol=1e-5)


def test_mean_delta_and_cells_agree(model, log_screen):
    arguments = (log_screen, model, ["P1+P2", "P3"])
    mean = sct.tl.predict_perturbation(*arguments, return_="mean")
    delta = sct.tl.predict_perturbation(*arguments, return_="delta")
    assert list(mean.obs_names) == ["P1+P2|type_0", "P1+P2|type_1", "P3|type_0", "P3|type_1"]
    for one in (mean, delta):
        assert (one.layers["lower"] <= one.X + 1e-6).all()
        assert (one.layers["upper"] + 1e-6 >= one.X).all()
    control = (mean.X - delta.X)[:2]
    np.testing.assert_allclose(control, (mean.X - delta.X)[2:], atol=1e-5)
    cells = sct.tl.predict_perturbation(*arguments, n_cells=400)
    some = dense(cells[(cells.obs["condition"] == "P3") & (cells.obs["cell_type"] == "type_0")])
    assert np.abs(some.mean(0) - mean.X[2]).mean() < 0.2


def test_unknown_symbol_and_unknown_context(model, log_screen):
    found = sct.tl.predict_perturbation(log_screen, model, ["NOSUCHGENE"], return_="delta")
    assert set(found.obs["support"]) == {"mean fallback"}
    assert not found.obs["better_than_mean"].any()
    other = log_screen[log_screen.obs["perturbation"] == "control"].copy()
    other.obs["cell_type"] = "a new one"
    found = sct.tl.predict_perturbation(other, model, ["P1"], return_="delta")
    assert list(found.obs["support"]) == ["partly seen"] and found.n_obs == 1


def test_model_folder_carries_the_head(model, log_screen, tmp_path):
    model.save(tmp_path / "model")
    again = sct.Model.load(tmp_path / "model")
    assert again.digest() == model.digest()
    one, other = (
        sct.tl.predict_perturbation(log_screen, m, ["P1+P5", "X"], return_="delta")
        for m in (model, again)
    )
    np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(one.layers["upper"], other.layers["upper"])
    one.write_h5ad(tmp_path / "found.h5ad")
    assert ad.read_h5ad(tmp_path / "found.h5ad").uns["sctabnet"]["params"]["return_"] == "delta"


def test_counts_are_learned_from_and_values_must_be_alike(screen, log_screen, model):
    counted = sct.finetune(screen, perturbation_key="perturbation", batch_key="batch")
    found = sct.tl.predict_perturbation(screen, counted, ["P1"], return_="mean")
    assert found.X.max() < np.log1p(1e4)
    with pytest.raises(ValueError, match="trained on log1p values. Found counts"):
        sct.tl.predict_perturbation(screen, model, ["P1"])
    with pytest.raises(ValueError, match="trained on raw counts"):
        sct.tl.predict_perturbation(log_screen, counted, ["P1"])


def test_bad_input(screen, model, log_screen):
    with pytest.raises(ValueError, match="Found both"):
        sct.finetune(screen, perturbation_key="perturbation", labels_key="cell_type")
    with pytest.raises(ValueError, match="No control cells"):
        sct.finetune(
            screen[screen.obs["perturbation"] != "control"], perturbation_key="perturbation"
        )
    alone = screen[screen.obs["perturbation"] == "control"]
    with pytest.raises(ValueError, match="All cells are controls"):
        sct.finetune(alone, perturbation_key="perturbation")
    with pytest.raises(ValueError, match="no control cells"):
        sct.tl.predict_perturbation(
            log_screen[log_screen.obs["perturbation"] != "control"], model, ["P1"]
        )
    with pytest.raises(ValueError, match="return_ must be one of"):
        sct.tl.predict_perturbation(log_screen, model, ["P1"], return_="everything")
    with pytest.raises(ValueError, match="perturbations must be text, or a list .* Found .."):
        sct.tl.predict_perturbation(log_screen, model, [])
    with pytest.raises(ValueError, match="n_cells must be a whole number of at least 1. Found -1"):
        sct.tl.predict_perturbation(log_screen, model, ["P1"], n_cells=-1)
    with pytest.raises(ValueError, match="perturbation_key must be text, or a list of text"):
        sct.finetune(screen, perturbation_key=[])
    with pytest.raises(ValueError, match="embeddings must be of class Mapping. Found str"):
        sct.finetune(screen, perturbation_key="perturbation", embeddings="vectors")


def test_one_context_key_need_not_be_a_list(screen):
    keys = {"perturbation_key": "perturbation", "context_keys": "batch"}
    _, _, about = read_perturbations(
        screen, **keys, control="control", dose_key=None, batch_key=None, layer=None,
        value_kind=None,
    )  # fmt: skip
    assert about["context_keys"] == ["batch"]


def test_a_condition_with_one_cell_is_left_out(screen):
    rare = np.flatnonzero(screen.obs["perturbation"] == "P1")
    kept = np.setdiff1d(np.arange(screen.n_obs), rare[1:])
    with pytest.warns(UserWarning, match="fewer than 2 cells and are left out"):
        model = sct.finetune(screen[kept].copy(), perturbation_key="perturbation")
    assert "P1" not in [c.name for c in model.network.perturb.conditions]


def test_one_model_serves_labels_and_perturbations(screen):
    labels = sct.finetune(screen, labels_key="cell_type", max_epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = sct.finetune(screen, perturbation_key="perturbation", init=labels)
    assert both.labels == labels.labels
    found = sct.tl.transfer_labels(screen, both, copy=True)
    before = sct.tl.transfer_labels(screen, labels, copy=True)
    assert list(found.obs["sctabnet_label"]) == list(before.obs["sctabnet_label"])


def test_table_and_pictures(model, log_screen):
    found = sct.tl.predict_perturbation(log_screen, model, ["P1", "P1+P2"], return_="delta")
    table = sct.get.perturbation_df(found, "P2+P1" if "P2+P1" in found.obs else "P1+P2", n_genes=5)
    assert len(table) == 10 and table["delta"].abs().iloc[0] >= table["delta"].abs().iloc[4]
    with pytest.raises(KeyError, match="was not ranked|not"):
        sct.get.perturbation_df(found, "P9")
    sct.pl.perturbation_scatter(found, "P1")
    sct.pl.perturbation_scatter(found, "P1", measured=found)
    sct.pl.perturbation_heatmap(found, n_genes=10)
