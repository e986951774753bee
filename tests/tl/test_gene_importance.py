"""What is written, what is refused, and that a failure leaves the AnnData as it was."""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
import pytest

import sctabnet as sct
from sctabnet.data.simulate import simulate_atlas

# the package's attribute of that name is the function
_gene_importance = importlib.import_module("sctabnet.tl._gene_importance")
streamed = importlib.import_module("sctabnet.importance.streamed_importance")
written = importlib.import_module("sctabnet.tl._write_importance")
KEY = "sctabnet_importance"
SMALL = {"n_d": 8, "n_a": 8, "n_steps": 2, "max_epochs": 8, "minibatch_size": 128}


@pytest.fixture(scope="module")
def atlas():
    return simulate_atlas(600, 120, n_types=3, n_null_programs=2, random_state=3)


@pytest.fixture(scope="module")
def halves(atlas):
    order = np.random.default_rng(0).permutation(atlas.n_obs)
    return atlas[np.sort(order[:300])].copy(), atlas[np.sort(order[300:])].copy()


@pytest.fixture(scope="module")
def trained(halves):
    return sct.finetune(halves[0], labels_key="cell_type", batch_key="batch", deep=False)


@pytest.fixture(scope="module")
def deep(halves):
    return sct.finetune(halves[0], labels_key="cell_type", batch_key="batch", wide=False, **SMALL)


@pytest.fixture
def query(halves):
    return halves[1].copy()


@pytest.mark.parametrize("method", [None, *_gene_importance.METHODS])
def test_slots_of_every_method(query, deep, method):
    with_stranger = query[:, :-1].copy()
    with_stranger.var_names = [*with_stranger.var_names[:-1], "STRANGER"]
    with pytest.warns(UserWarning, match="The data measured"):
        sct.tl.gene_importance(with_stranger, deep, "cell_type", method=method)
    var, varm = with_stranger.var, with_stranger.varm
    for name in (KEY, f"{KEY}_se"):
        assert var[name].dtype == np.float32 and varm[name].dtype == np.float32
        assert varm[name].shape == (119, 3)
        assert np.isnan(var.loc["STRANGER", name]) and np.isnan(varm[name][-1]).all()
        assert np.isfinite(var[name].drop("STRANGER")).all()
    assert (var[f"{KEY}_se"].dropna() >= 0).all()
    assert var.loc["STRANGER", f"{KEY}_group"] == ""
    np.testing.assert_allclose(varm[KEY][:-1].mean(1), var[KEY][:-1], rtol=1e-4, atol=1e-6)
    used = with_stranger.uns[KEY]["params"]["method"]
    assert used == method or (method is None and used in _gene_importance.READOUTS)
    assert ("deletion" in with_stranger.uns[KEY]) == (method is None)


def test_markers_come_first_and_share_a_group(query, trained):
    sct.tl.gene_importance(query, trained, "cell_type", method="contribution")
    for i, group in enumerate(query.uns[KEY]["groups"]):
        best = np.argsort(-query.varm[KEY][:, i])[:6]
        assert query.var["is_marker"].iloc[best].mean() >= 0.8
        # the markers of another type tell of this one too: their absence does
        assert (query.var["marker_of"].iloc[best] == group).mean() > 0.5
    markers = query.var[query.var["is_marker"]]
    assert markers[f"{KEY}_group"].nunique() < len(markers)  # co-expressed ones are named together


def test_permuting_takes_what_was_contributed(query, trained):
    """The answer is linear here; what differs is the pairing, and that absence counts too."""
    first = sct.tl.gene_importance(query, trained, "cell_type", method="permutation", copy=True)
    second = sct.tl.gene_importance(query, trained, "cell_type", method="contribution", copy=True)
    gene = query.var["is_marker"].to_numpy()
    a, b = first.var[KEY].to_numpy()[gene], second.var[KEY].to_numpy()[gene]
    assert np.corrcoef(a, b)[0, 1] > 0.8


def test_same_call_same_bits(query, deep):
    first = sct.tl.gene_importance(query, deep, "cell_type", copy=True)
    second = sct.tl.gene_importance(query, deep, "cell_type", copy=True)
    np.testing.assert_array_equal(first.varm[KEY], second.varm[KEY])


def test_small_groups_are_left_out_with_a_warning(query, trained):
    query.obs["group"] = pd.Categorical(["few"] * 9 + ["rest"] * (query.n_obs - 9))
    with pytest.warns(UserWarning, match="fewer than 10 cells are not ranked: \\['few'\\]"):
        sct.tl.gene_importance(query, trained, "group")
    assert np.isnan(query.varm[KEY][:, 0]).all() and np.isfinite(query.varm[KEY][:, 1]).any()
    assert query.uns[KEY]["names"].dtype.names == ("rest",)
    rest = query[9:].copy()
    rest.obs["group"] = "rest"
    sct.tl.gene_importance(rest, trained, "group")
    np.testing.assert_allclose(rest.var[KEY], query.var[KEY], rtol=1e-5, atol=1e-7)


def test_certificate_on_new_cells_only(halves, trained):
    seen, query = (half.copy() for half in halves)
    with pytest.raises(ValueError, match="has not seen. Found the cells it was trained on"):
        sct.tl.gene_importance(seen, trained, "cell_type", certify=True)
    assert KEY not in seen.var
    with pytest.raises(ValueError, match="groupby"):
        sct.tl.gene_importance(query, trained, certify=True)
    sct.tl.gene_importance(query, trained, "cell_type", certify=True)
    qvalue = query.var[f"{KEY}_qvalue"]
    chosen = query.var[qvalue <= 0.1]
    assert chosen["is_marker"].mean() >= 0.8
    assert chosen["is_marker"].sum() >= 0.6 * query.var["is_marker"].sum()


@pytest.mark.parametrize("broken", ["explain", "holds_groups"])
def test_a_failure_half_way_changes_nothing(query, trained, monkeypatch, broken):
    before = query.copy()

    def explain_one(*args, **kwargs):
        yield next(original(*args, **kwargs))
        raise RuntimeError("the disk went away")

    def fail(*args, **kwargs):
        raise RuntimeError("the disk went away")

    original = streamed.explain
    if broken == "explain":
        monkeypatch.setattr(streamed, "explain", explain_one)
    else:
        monkeypatch.setattr(written, "holds_groups", fail)
    with pytest.raises(RuntimeError, match="disk"):
        sct.tl.gene_importance(query, trained, method="contribution")
    pd.testing.assert_frame_equal(query.obs, before.obs)
    pd.testing.assert_frame_equal(query.var, before.var)
    assert set(query.varm) == set(before.varm) and set(query.uns) == set(before.uns)
    assert not query.layers


def test_backed_data_give_the_same(query, deep, tmp_path):
    import anndata

    query.write_h5ad(tmp_path / "query.h5ad")
    backed = anndata.read_h5ad(tmp_path / "query.h5ad", backed="r")
    sct.tl.gene_importance(backed, deep, "cell_type")
    sct.tl.gene_importance(query, deep, "cell_type")
    np.testing.assert_array_equal(backed.varm[KEY], query.varm[KEY])
    backed.file.close()
