"""Embeddings of models that were given batches."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import torch
from sklearn.metrics import silhouette_score

import sctabnet as sct
from sctabnet.train.variable_genes import variable_genes

OPTIONS = {"batch_key": "batch", "labels_key": "cell_type"}


@pytest.fixture(scope="module")
def batches():
    """600 cells of three types in two batches, of which one has its own bias in every gene."""
    adata = sct.datasets.simulate_atlas(600, 150, n_types=3, n_markers=15, n_null_programs=0)
    rng = np.random.default_rng(0)
    counts = adata.X.toarray()
    second = (adata.obs["batch"] == adata.obs["batch"].cat.categories[1]).to_numpy()
    counts[second] = rng.poisson(counts[second] * np.exp(0.8 * rng.normal(size=150)))
    adata.X = sp.csr_matrix(counts.astype(np.float32))
    return adata


@pytest.fixture(scope="module")
def integrating(batches, tiny):
    return sct.pretrain(batches, batch_key="batch", **(tiny | {"max_epochs": 1}))


def embedded(adata, model):
    return sct.tl.embed(adata, model, copy=True).obsm["X_sctabnet"]


def scores(adata, embedding):
    adata = adata.copy()
    adata.obsm["scored"] = embedding
    return sct.evaluate.integration(adata, embedding="scored", **OPTIONS)


def test_batches_are_mixed_and_types_kept(batches, integrating, tiny):
    plain = sct.pretrain(batches, **(tiny | {"max_epochs": 1}))
    before = scores(batches, embedded(batches, plain))
    after = scores(batches, embedded(batches, integrating))
    assert after["batch"] > before["batch"] + 0.1
    assert after["clisi"] > 0.9 and after["total"] > before["total"] + 0.2


def test_labels_draw_types_together(batches, integrating, tiny):
    model = sct.finetune(batches, init=integrating, max_epochs=1, **OPTIONS)
    assert model.network.integrate.centres.shape == (3, 8)
    labelled = scores(batches, embedded(batches, model))
    assert (
        labelled["silhouette_label"]
        > scores(batches, embedded(batches, integrating))["silhouette_label"]
    )

    together = sct.tl.transfer_labels(batches, model, embedding=True, copy=True)
    np.testing.assert_array_equal(together.obsm["X_sctabnet"], embedded(batches, model))


def test_is_saved_with_the_model(batches, integrating, tmp_path):
    loaded = sct.Model.load(integrating.save(tmp_path / "model"))
    assert loaded.digest() == integrating.digest()
    np.testing.assert_array_equal(embedded(batches, loaded), embedded(batches, integrating))


def test_a_query_changes_nothing_in_the_reference(batches, integrating, tmp_path):
    before, digest = embedded(batches, integrating), integrating.digest()
    query = batches[:100].copy()
    query.obs["batch"] = "new"
    mapped = embedded(query, integrating)
    assert mapped.dtype == np.float32 and np.isfinite(mapped).all()
    assert integrating.digest() == digest
    np.testing.assert_array_equal(embedded(batches, integrating), before)
    # an unknown batch and a column that is not there are the same
    del query.obs["batch"]
    np.testing.assert_array_equal(embedded(query, integrating), mapped)
    # backed and in other order: the same cells, the same embedding
    order = np.random.default_rng(0).permutation(batches.n_obs)
    batches[order].copy().write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    sct.tl.embed(backed, integrating)
    np.testing.assert_allclose(backed.obsm["X_sctabnet"], before[order], atol=1e-5)
    backed.file.close()


def test_one_batch_is_nothing_to_correct(batches, tiny):
    """And a step of training tells the types apart as well as principal components do."""
    one = batches[batches.obs["batch"] == batches.obs["batch"].cat.categories[0]].copy()
    tiny = tiny | {"max_epochs": 1, "max_steps": 1}
    plain, model = sct.pretrain(one, **tiny), sct.pretrain(one, batch_key="batch", **tiny)
    assert len(model.network.integrate.mixture.clusters) == 0
    np.testing.assert_array_equal(embedded(one, plain), embedded(one, model))
    scored = sc.pp.log1p(sc.pp.normalize_total(one, target_sum=1e4, copy=True), copy=True)
    sc.pp.pca(scored, n_comps=8)
    labels = one.obs["cell_type"].to_numpy()
    ours, pca = (silhouette_score(z, labels) for z in (embedded(one, plain), scored.obsm["X_pca"]))
    assert ours > pca and ours > 0.3


def test_missing_batches_and_genes_that_one_batch_lacks(batches, tiny):
    first, second = (
        batches[batches.obs["batch"] == b].copy() for b in batches.obs["batch"].cat.categories
    )
    second = second[:, 30:].copy()
    first.obs["batch"] = pd.Categorical(first.obs["batch"].astype(str)).set_categories(
        [*first.obs["batch"].astype(str).unique()]
    )
    first.obs.loc[first.obs_names[:20], "batch"] = np.nan
    model = sct.pretrain([first, second], batch_key="batch", **(tiny | {"max_epochs": 1}))
    assert model.network.integrate is not None
    assert torch.isfinite(model.network.integrate.axes.weight).all()
    assert np.isfinite(embedded(first, model)).all()


def test_training_in_double_precision_and_few_cells(batches, tiny):
    few = batches[:40].copy()
    model = sct.finetune(few, labels_key="cell_type", precision="64-true", **tiny)
    assert np.isfinite(embedded(few, model)).all()


def test_variable_genes_of_very_few_cells(rng):
    loud = np.arange(100, 120)
    x = rng.uniform(0.5, 3, 300) * rng.normal(1, 0.05, (8, 300))
    x[:, loud] *= np.where(np.arange(8) % 2, 1.6, 0.4)[:, None]
    chosen = variable_genes(sp.csr_array(x), np.arange(8), np.ones((1, 300), bool), 20)
    np.testing.assert_array_equal(chosen, loud)
