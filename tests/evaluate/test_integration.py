from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_samples

from sctabnet import evaluate
from sctabnet.evaluate.batch_variance import batch_variance
from sctabnet.evaluate.local_diversity import local_diversity
from sctabnet.evaluate.nearest_cells import NearestCells
from sctabnet.evaluate.neighbour_graph import neighbour_graph
from sctabnet.evaluate.silhouette_widths import silhouette_widths

OPTIONS = {"batch_key": "batch", "labels_key": "cell_type", "unintegrated": "before"}


def cells(rng, *, shift, types=4.0, n=300):
    """Three types in two batches of the same composition, ``shift`` apart."""
    label, batch = rng.integers(0, 3, n), rng.integers(0, 2, n)
    noise = rng.normal(size=(n, 6))
    before = types * np.eye(6)[label] + 3 * np.eye(6)[3 + batch] + noise
    obs = pd.DataFrame({"batch": batch.astype(str), "cell_type": [f"t{i}" for i in label]})
    adata = ad.AnnData(np.zeros((n, 1), dtype=np.float32), obs=obs.set_index(obs.index.astype(str)))
    adata.obsm["before"] = before
    adata.obsm["after"] = types * np.eye(6)[label] + shift * np.eye(6)[3 + batch] + noise
    return adata


def test_mixed_batches_and_separate_types_score_high(rng):
    scores = evaluate.integration(cells(rng, shift=0), embedding="after", **OPTIONS)
    assert {type(value) for value in scores.values()} == {float}
    assert min(scores["nmi"], scores["ari"], scores["clisi"]) > 0.85
    assert min(scores["bras"], scores["ilisi"], scores["kbet"], scores["pcr_comparison"]) > 0.8
    assert scores["total"] == pytest.approx(0.6 * scores["bio"] + 0.4 * scores["batch"])


def test_separate_batches_score_low(rng):
    adata = cells(rng, shift=30)
    scores = evaluate.integration(adata, embedding="after", **OPTIONS)
    assert scores["ilisi"] == pytest.approx(0, abs=1e-9)
    assert scores["kbet"] == 0 and scores["pcr_comparison"] == 0
    assert scores["bras"] < 0.3
    mixed = evaluate.integration(cells(rng, shift=0), embedding="after", **OPTIONS)
    assert mixed["batch"] > scores["batch"] + 0.5


def test_types_that_are_mixed_lose_their_scores(rng):
    scores = evaluate.integration(cells(rng, shift=0, types=0), embedding="after", **OPTIONS)
    assert max(scores["nmi"], scores["ari"]) < 0.1 and scores["clisi"] < 0.4


def test_neither_order_nor_rotation_nor_scale_matters(rng):
    adata = cells(rng, shift=1)
    expected = evaluate.integration(adata, embedding="after", **OPTIONS)
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    other = adata[rng.permutation(adata.n_obs)].copy()
    other.obsm["after"] = other.obsm["after"] @ turn * 3
    found = evaluate.integration(other, embedding="after", **OPTIONS)
    assert found == pytest.approx(expected, abs=0.02)


def test_cells_without_label_are_left_out(rng):
    adata = cells(rng, shift=1)
    expected = evaluate.integration(adata[50:].copy(), embedding="after", **OPTIONS)
    adata.obs.loc[adata.obs_names[:50], "cell_type"] = np.nan
    assert evaluate.integration(adata, embedding="after", **OPTIONS) == expected


def test_large_data_are_sampled_and_counts_are_normalised(rng):
    adata = cells(rng, shift=1)
    adata = ad.AnnData(
        rng.poisson(2, size=(adata.n_obs, 60)).astype(np.float32),
        obs=adata.obs,
        obsm=dict(adata.obsm),
    )
    scores = evaluate.integration(
        adata, embedding="after", batch_key="batch", labels_key="cell_type", max_cells=150
    )
    assert 0 <= scores["total"] <= 1


def test_a_column_or_embedding_that_is_not_there_is_named(rng):
    adata = cells(rng, shift=1)
    with pytest.raises(KeyError, match="sct.tl.embed first"):
        evaluate.integration(adata, batch_key="batch", labels_key="cell_type")
    with pytest.raises(KeyError, match="'donor' is no column"):
        evaluate.integration(adata, embedding="after", batch_key="donor", labels_key="cell_type")
    adata.obs["one"] = "a"
    with pytest.raises(ValueError, match="two values at least"):
        evaluate.integration(adata, embedding="after", batch_key="one", labels_key="cell_type")
    adata.obsm["after"][0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in 1 cells"):
        evaluate.integration(adata, embedding="after", **OPTIONS)


def test_silhouette_is_scikit_learns(rng):
    x, codes = rng.normal(size=(120, 4)), rng.integers(0, 4, 120)
    codes[0] = 4  # alone in its group
    np.testing.assert_allclose(silhouette_widths(x, codes), silhouette_samples(x, codes), atol=1e-9)


def test_diversity_counts_the_groups(rng):
    near = NearestCells.of(rng.normal(size=(400, 2)), 90)
    assert np.allclose(local_diversity(near, np.zeros(400, dtype=int)), 1)
    mixed = local_diversity(near, rng.integers(0, 4, 400))
    assert 3.2 < np.median(mixed) <= 4


@pytest.mark.slow
def test_the_graph_is_umaps(rng):
    umap = pytest.importorskip("umap.umap_")
    near = NearestCells.of(rng.normal(size=(150, 3)), 15)
    expected, *_ = umap.fuzzy_simplicial_set(
        np.zeros((150, 1)), 15, None, None, knn_indices=near.indices, knn_dists=near.distances
    )
    found = neighbour_graph(near)
    assert abs(found - found.T).max() < 1e-12
    np.testing.assert_allclose(found.toarray(), expected.toarray(), atol=1e-4)


def test_variance_between_batches():
    codes = np.array([0, 0, 1, 1])
    assert batch_variance(np.array([[0.0], [0], [1], [1]]), codes) == 1
    assert batch_variance(np.array([[0.0], [1], [0], [1]]), codes) == 0


def test_is_scib_metrics(rng):
    """The oracle needs jax, so it is seldom installed: the extra `bench` has it."""
    benchmark = pytest.importorskip("scib_metrics.benchmark")
    adata = cells(rng, shift=1.5, n=400)
    oracle = benchmark.Benchmarker(
        adata, "batch", "cell_type", ["after"],
        pre_integrated_embedding_obsm_key="before", progress_bar=False,
    )  # fmt: skip
    oracle.benchmark()
    expected = oracle.get_results(clean_names=False).loc["after"]
    found = evaluate.integration(adata, embedding="after", **OPTIONS)
    names = {"clisi": "clisi_knn", "ilisi": "ilisi_knn", "kbet": "kbet_per_label"}
    for name in ("isolated_labels", "silhouette_label", "bras", "clisi", "ilisi", "kbet",
                 "graph_connectivity", "pcr_comparison"):  # fmt: skip
        assert found[name] == pytest.approx(float(expected[names.get(name, name)]), abs=0.02), name
