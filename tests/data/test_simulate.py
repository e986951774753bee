from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from sklearn.metrics import roc_auc_score

import sctabnet.datasets
from sctabnet._value_kind import detect_value_kind
from sctabnet.data.simulate import simulate_atlas


@pytest.fixture(scope="module")
def atlas() -> ad.AnnData:
    return simulate_atlas(2500, random_state=1)


@pytest.fixture(scope="module")
def logged(atlas) -> ad.AnnData:
    adata = atlas.copy()
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    return adata


def test_it_is_in_datasets():
    assert sctabnet.datasets.simulate_atlas is simulate_atlas


def test_counts_of_about_the_depth_asked_for(atlas):
    assert atlas.shape == (2500, 400) and atlas.X.dtype == np.float32
    assert detect_value_kind(atlas.X) == "counts"
    assert 1000 < atlas.X.sum(axis=1).mean() < 2500
    assert atlas.obs_names.is_unique and atlas.var_names.is_unique


def test_counts_are_overdispersed(atlas):
    one = atlas[(atlas.obs["cell_type"] == "type_0") & (atlas.obs["donor"] == "donor_0")]
    x = one.X.toarray()[:, ~atlas.var["is_marker"] & (atlas.var["program"] == -1)]
    mean, variance = x.mean(axis=0), x.var(axis=0)
    assert np.median(variance[mean > 3] / mean[mean > 3]) > 1.5


def test_same_seed_same_atlas(atlas):
    again, other = simulate_atlas(2500, random_state=1), simulate_atlas(2500, random_state=2)
    assert (again.X != atlas.X).nnz == 0 and again.obs.equals(atlas.obs)
    assert (other.X != atlas.X).nnz > 0


def test_ground_truth_agrees_with_itself(atlas):
    fold = atlas.varm["log2_fold_change"]
    types = atlas.uns["simulation"]["types"]
    assert list(atlas.obs["cell_type"].cat.categories) == types and fold.shape == (400, 6)
    np.testing.assert_array_equal(atlas.var["is_marker"], (fold > 0).any(axis=1))
    for t, name in enumerate(types):
        np.testing.assert_array_equal(atlas.var["marker_of"] == name, fold[:, t] > 0)
        assert (fold[:, t] > 0).sum() == 8
    assert not (atlas.var["is_marker"] & (atlas.var["program"] >= 0)).any()
    assert (atlas.var["program"].value_counts().loc[range(5)] == 8).all()


def test_markers_tell_their_type_and_null_programs_do_not(logged):
    x = logged.X.toarray()
    for name in logged.uns["simulation"]["types"]:
        is_type = logged.obs["cell_type"] == name
        marker = (logged.var["marker_of"] == name).to_numpy()
        score = [roc_auc_score(is_type, x[:, g]) for g in np.flatnonzero(marker)]
        null = (logged.var["program"] >= 0).to_numpy()
        noise = [abs(roc_auc_score(is_type, x[:, g]) - 0.5) for g in np.flatnonzero(null)]
        assert np.median(score) > 0.8 and np.median(noise) < 0.1


def test_markers_are_redundant_and_null_programs_co_expressed(logged):
    x = logged.X.toarray()

    def correlation(cells, genes) -> float:
        expressed = genes[x[cells][:, genes].mean(axis=0) > 0.5]
        c = np.corrcoef(x[cells][:, expressed].T)
        return float(np.median(c[np.triu_indices_from(c, 1)]))

    everyone = np.arange(len(x))
    t0 = np.flatnonzero(logged.obs["cell_type"] == "type_0")
    assert correlation(t0, np.flatnonzero(logged.var["marker_of"] == "type_0")) > 0.2
    assert correlation(everyone, np.flatnonzero(logged.var["program"] == 0)) > 0.2
    rest = np.flatnonzero((logged.var["program"] == -1) & ~logged.var["is_marker"])
    assert abs(correlation(everyone, rest)) < 0.1


def test_donors_lie_within_batches_and_shift_genes(logged):
    pairs = logged.obs[["donor", "batch"]].drop_duplicates()
    assert len(pairs) == logged.obs["donor"].nunique() == 4
    x, batch = logged.X.toarray(), logged.obs["batch"] == "batch_0"
    shift = np.abs(x[batch].mean(axis=0) - x[~batch].mean(axis=0))
    halves = np.random.default_rng(0).random(len(x)) < 0.5
    chance = np.abs(x[halves].mean(axis=0) - x[~halves].mean(axis=0))
    assert shift.mean() > 3 * chance.mean()


def test_round_trip_through_h5ad(atlas, tmp_path):
    atlas.write_h5ad(tmp_path / "atlas.h5ad")
    back = ad.read_h5ad(tmp_path / "atlas.h5ad")
    assert (back.X != atlas.X).nnz == 0
    assert back.uns["simulation"]["n_types"] == 6
    assert list(back.var["marker_of"]) == list(atlas.var["marker_of"])


@pytest.mark.parametrize("sizes", [{"n_cells": 0}, {"n_types": -1}, {"n_genes": 50}])
def test_impossible_sizes_are_named(sizes):
    with pytest.raises(ValueError, match=next(iter(sizes))):
        simulate_atlas(**sizes)


def test_smallest_atlas():
    atlas = simulate_atlas(1, 1, n_types=1, n_markers=1, n_null_programs=0, n_donors=1, n_batches=1)
    assert atlas.shape == (1, 1)
