"""scanpy and anndata read what we write, with a slash in a cell type's name as well."""

from __future__ import annotations

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

import sctabnet as sct

KEY = "sctabnet_importance"
pytestmark = [
    # what scanpy and anndata say to their own developers
    pytest.mark.filterwarnings("ignore:The set_bad function will be:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Writing zarr v2 data will no longer:UserWarning"),
]


@pytest.fixture
def adata(annotated):
    return annotated.copy()


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_ranked_genes_as_a_data_frame(adata):
    frame = sc.get.rank_genes_groups_df(adata, group=None, key=KEY)
    assert list(frame["group"].unique()) == ["B cell", "NK", "T/CD4"]
    assert set(frame["names"]) <= set(adata.var_names)
    one = sc.get.rank_genes_groups_df(adata, group="T/CD4", key=KEY)
    assert (one["scores"].diff().dropna() <= 0).all()
    assert one["pvals"].isna().all() and one["logfoldchanges"].notna().all()
    strong = sc.get.rank_genes_groups_df(adata, group="NK", key=KEY, log2fc_min=1.0)
    assert 0 < len(strong) < adata.n_vars


@pytest.mark.parametrize(
    "plot",
    [
        "rank_genes_groups_dotplot",
        "rank_genes_groups_heatmap",
        "rank_genes_groups_matrixplot",
        "rank_genes_groups_tracksplot",
        "rank_genes_groups_stacked_violin",
        "rank_genes_groups",
    ],
)
def test_plots_of_ranked_genes(adata, plot):
    sc.pp.log1p(adata)
    sc.tl.dendrogram(adata, "sctabnet_label", use_rep="X_sctabnet")
    getattr(sc.pl, plot)(adata, key=KEY, n_genes=3, show=False)


@pytest.mark.parametrize("labelled", [True, False])
def test_plots_where_a_label_has_no_cell(adata, model, labelled):
    """scanpy fails on categories without cells, and labels keep those of the reference."""
    few = adata[(adata.obs["sctabnet_label"] != "NK").to_numpy()].copy()
    del few.obs["sctabnet_label"]
    if labelled:
        sct.tl.transfer_labels(few, model, overwrite=True)
        assert "NK" in few.obs["sctabnet_label"].cat.categories
    sct.tl.gene_importance(few, model, method="contribution")
    groupby = few.uns[KEY]["params"]["groupby"]
    assert set(few.obs[groupby].cat.categories) == {"B cell", "T/CD4"}
    sc.pl.rank_genes_groups_dotplot(few, key=KEY, n_genes=3, dendrogram=False, show=False)


def test_neighbours_from_the_embedding(adata):
    # not UMAP's own kernel: compiling it takes longer than all of these tests
    sc.pp.neighbors(
        adata, use_rep="X_sctabnet", n_neighbors=5, method="gauss", transformer="sklearn"
    )
    assert adata.obsp["connectivities"].shape == (adata.n_obs, adata.n_obs)


def test_a_plot_of_labels_and_confidence(adata):
    adata.obsm["X_umap"] = adata.obsm["X_sctabnet"][:, :2]
    axes = sc.pl.umap(adata, color=["sctabnet_label", "sctabnet_confidence"], show=False)
    assert len(axes) == 2


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_files_give_back_what_was_written(adata, tmp_path, kind):
    path = tmp_path / f"cells.{kind}"
    getattr(adata, f"write_{kind}")(path)
    back = getattr(ad, f"read_{kind}")(path)
    for column in ("sctabnet_label", "sctabnet_confidence", "sctabnet_unknown"):
        pd.testing.assert_series_equal(back.obs[column], adata.obs[column])
    for column in ("sctabnet_top_genes", "sctabnet_label_set"):
        assert list(back.obs[column]) == list(adata.obs[column])
    for name in ("X_sctabnet", "sctabnet_label_set", "sctabnet_probability"):
        assert np.array_equal(back.obsm[name], adata.obsm[name])
        assert back.obsm[name].dtype == adata.obsm[name].dtype
    np.testing.assert_array_equal(back.varm[KEY], adata.varm[KEY])
    np.testing.assert_array_equal(back.var[KEY], adata.var[KEY])
    for name in ("sctabnet_attention", "sctabnet_attention_step1", "sctabnet_attention_step2"):
        assert sp.issparse(back.layers[name]) and back.layers[name].format == "csr"
        assert (back.layers[name] != adata.layers[name]).nnz == 0
    assert list(back.uns["sctabnet"]["labels"]) == list(adata.uns["sctabnet"]["labels"])
    assert back.uns["sctabnet"]["params"] == adata.uns["sctabnet"]["params"]
    frames = [sc.get.rank_genes_groups_df(a, group=None, key=KEY) for a in (adata, back)]
    pd.testing.assert_frame_equal(*frames)
