"""The slots of gene_importance hold what scanpy and a user expect, whatever the method."""

from __future__ import annotations

import functools

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

import sctabnet as sct

KEY = "sctabnet_importance"
rank = functools.partial(sct.tl.gene_importance, method="contribution")


def test_slots_and_their_types(annotated, model):
    overall = annotated.var[KEY]
    assert overall.dtype == np.float32 and overall.notna().all()
    per_group = annotated.varm[KEY]
    assert per_group.dtype == np.float32 and per_group.shape == (120, 3)
    assert list(annotated.uns[KEY]["groups"]) == list(model.labels)
    obs = annotated.obs
    assert obs["sctabnet_n_genes_attended"].dtype == np.int32
    assert obs["sctabnet_attention_entropy"].dtype == np.float32
    assert obs["sctabnet_attention_entropy"].between(0, np.log(121)).all()
    assert all(len(text.split(", ")) == 5 for text in obs["sctabnet_top_genes"])
    params = annotated.uns[KEY]["params"]
    assert params["groupby"] == "sctabnet_label" and params["reference"] == "rest"


def test_markers_come_first(annotated):
    marker_of = annotated.var["marker_of"]
    types = {"T/CD4": "type_0", "B cell": "type_1", "NK": "type_2"}
    for group, simulated in types.items():
        best = sct.get.importance_df(annotated, group, n_genes=4)["gene"]
        assert (marker_of[best] == simulated).mean() >= 0.75, group


def test_fold_changes_are_scanpys(annotated):
    adata = annotated.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.tl.rank_genes_groups(adata, "sctabnet_label", method="t-test")
    oracle = sc.get.rank_genes_groups_df(adata, group=None).set_index(["group", "names"])
    ours = sc.get.rank_genes_groups_df(adata, group=None, key=KEY).set_index(["group", "names"])
    both = ours.join(oracle, rsuffix="_oracle", how="inner")
    assert len(both) == 360
    np.testing.assert_allclose(
        both["logfoldchanges"], both["logfoldchanges_oracle"], rtol=1e-3, atol=1e-3
    )


def test_attention_layers_are_the_masks(annotated, model):
    steps = [annotated.layers[f"sctabnet_attention_step{i}"] for i in (1, 2)]
    whole = annotated.layers["sctabnet_attention"]
    for layer in (whole, *steps):
        assert sp.issparse(layer) and layer.format == "csr" and layer.dtype == np.float32
        sums = np.asarray(layer.sum(1)).ravel()
        assert (layer.data > 0).all() and (sums <= 1 + 1e-5).all()  # the rest is the absent token
        # nothing is attended that is not expressed
        assert not layer[annotated.X.toarray() == 0].any()
    upper = np.maximum(steps[0].toarray(), steps[1].toarray())
    lower = np.minimum(steps[0].toarray(), steps[1].toarray())
    assert (whole.toarray() <= upper + 1e-6).all() and (whole.toarray() >= lower - 1e-6).all()
    assert np.array_equal(whole.getnnz(1), annotated.obs["sctabnet_n_genes_attended"])


def test_genes_that_the_model_does_not_know_have_no_number(cells, model):
    adata = cells.copy()
    adata.var_names = [f"NEW{i}" if i < 5 else name for i, name in enumerate(adata.var_names)]
    with pytest.warns(UserWarning, match="115 of the model's 120 genes"):
        rank(adata, model)
    assert adata.var[KEY].isna().sum() == 5 and adata.var[KEY][:5].isna().all()
    assert np.isnan(adata.varm[KEY][:5]).all() and np.isfinite(adata.varm[KEY][5:]).all()
    assert not set(adata.uns[KEY]["names"]["NK"]) & set(adata.var_names[:5])


def test_order_of_columns_does_not_matter(cells, model):
    order = np.random.default_rng(0).permutation(cells.n_vars)
    first = rank(cells, model, attention=True, copy=True)
    second = rank(cells[:, order].copy(), model, attention=True, copy=True)
    second = second[:, first.var_names].copy()
    pd.testing.assert_series_equal(first.var[KEY], second.var[KEY])
    np.testing.assert_array_equal(first.varm[KEY], second.varm[KEY])
    pd.testing.assert_frame_equal(
        first.obs.filter(like="sctabnet_"), second.obs.filter(like="sctabnet_")
    )
    assert (first.layers["sctabnet_attention"] != second.layers["sctabnet_attention"]).nnz == 0
    a, b = first.uns[KEY]["names"], second.uns[KEY]["names"]
    assert all(np.array_equal(a[group][:20], b[group][:20]) for group in a.dtype.names)


def test_groups_of_ones_own(cells, model):
    adata = cells.copy()
    side = np.where(np.arange(240) < 120, "left/upper", "right").astype(object)
    side[:5], side[5:12] = "few", np.nan
    adata.obs["side"] = pd.Categorical(side, categories=["right", "unused", "left/upper", "few"])
    with pytest.warns(UserWarning, match=r"fewer than 10 cells are not ranked: \['few'\]"):
        rank(adata, model, "side")
    assert list(adata.uns[KEY]["groups"]) == ["right", "left/upper", "few"]
    assert list(adata.uns[KEY]["names"].dtype.names) == ["right", "left/upper"]
    assert np.isnan(adata.varm[KEY][:, 2]).all() and np.isfinite(adata.varm[KEY][:, :2]).all()
    frame = sc.get.rank_genes_groups_df(adata, "left/upper", key=KEY)
    assert len(frame) == 120


def test_a_group_named_like_a_label_is_explained_for_that_label(cells, model):
    """Half of the cells are called NK whatever they are: what speaks for NK must then be weak."""
    adata = cells.copy()
    result = sct.tl.transfer_labels(adata, model, copy=True)
    true_nk = (result.obs["sctabnet_label"] == "NK").to_numpy()
    adata.obs["right"] = np.where(true_nk, "NK", "other")
    adata.obs["wrong"] = np.where(true_nk, "other", "NK")
    rank(adata, model, "right", key_added="a")
    rank(adata, model, "wrong", key_added="b")
    column = list(adata.uns["a_importance"]["groups"]).index("NK")
    right = adata.varm["a_importance"][:, column].sum()
    wrong = adata.varm["b_importance"][:, column].sum()
    assert right > 0 and wrong < right


def test_a_pretrained_model_ranks_one_group(cells, pretrained):
    result = rank(cells, pretrained, copy=True)
    assert list(result.uns[KEY]["groups"]) == ["all"] and result.varm[KEY].shape == (120, 1)


def test_masks_as_scores(cells, model):
    result = sct.tl.gene_importance(cells, model, method="mask", attention=True, copy=True)
    attention = np.asarray(result.layers["sctabnet_attention"].mean(0)).ravel()
    assert np.corrcoef(attention, result.var[KEY])[0, 1] > 0.98


def test_too_few_cells_for_any_group(cells, model, tmp_path):
    adata = cells[:3].copy()
    adata.uns[KEY] = "of an earlier call"
    with pytest.warns(UserWarning, match="fewer than 10 cells are not ranked"):
        rank(adata, model)
    assert KEY not in adata.uns and np.isnan(adata.varm[KEY]).all()
    assert all(adata.obs["sctabnet_top_genes"])
    adata.write_h5ad(tmp_path / "few.h5ad")


def test_the_size_of_minibatches_hardly_matters(cells, model, monkeypatch):
    whole = rank(cells, model, attention=True, copy=True)
    monkeypatch.setattr(sct.settings, "minibatch_size", 50)
    parts = rank(cells, model, attention=True, copy=True)
    np.testing.assert_allclose(parts.varm[KEY], whole.varm[KEY], rtol=1e-3, atol=1e-6)
    difference = parts.layers["sctabnet_attention"] - whole.layers["sctabnet_attention"]
    assert abs(difference).max() < 1e-4


def test_from_raw_with_more_genes_than_x(cells, model):
    adata = ad.AnnData(-cells.X[:, :40], obs=cells.obs, var=cells.var[:40])
    adata.raw = cells
    rank(adata, model, layer="raw", attention=True)
    assert adata.var[KEY].notna().all() and adata.varm[KEY].shape == (40, 3)
    assert adata.layers["sctabnet_attention"].shape == (240, 40)
