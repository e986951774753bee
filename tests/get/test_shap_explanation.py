from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.sparse as sp

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.heads.label_contrast import label_contrast
from sctabnet.importance.cell_contributions import cell_contributions


@pytest.fixture(scope="module")
def shap():
    return pytest.importorskip("shap", exc_type=ImportError)


@pytest.fixture(scope="module")
def linear(cells):
    return sct.finetune(cells, labels_key="cell_type", deep=False)


def contrasts(model, adata, label):
    corpus = Corpus.open(adata, vocabulary=model.vocabulary)
    logits = model.network(corpus.take(np.arange(adata.n_obs))).logits.detach()
    return label_contrast(logits, logits.argmax(1) * 0 + label).double().numpy()


def test_a_row_and_its_base_sum_to_the_contrast(shap, cells, linear):
    found = sct.get.shap_explanation(cells, linear, "NK", n_genes=7)
    assert found.shape == (240, 7) and isinstance(found, shap.Explanation)
    expected = contrasts(linear, cells, linear.labels.index("NK"))
    np.testing.assert_allclose(found.values.sum(1) + found.base_values, expected, atol=1e-4)
    assert list(found.instance_names) == list(cells.obs_names)


def test_all_genes_of_a_linear_model_leave_a_base_that_is_the_same_for_all_cells(
    shap, cells, linear
):
    found = sct.get.shap_explanation(cells, linear, "B cell", genes=list(cells.var_names))
    np.testing.assert_allclose(found.base_values, found.base_values[0], atol=1e-4)
    assert list(found.feature_names) == list(cells.var_names)
    total = cells.X.sum(axis=1).A1 if sp.issparse(cells.X) else cells.X.sum(1)
    x = np.log1p(cells.X.toarray() / np.asarray(total)[:, None] * 1e4)
    np.testing.assert_allclose(found.data, x, atol=1e-4)


def test_shown_genes_are_those_of_the_largest_mean_size(shap, cells, linear):
    every = sct.get.shap_explanation(cells, linear, genes=list(cells.var_names))
    found = sct.get.shap_explanation(cells, linear, n_genes=6)
    size = np.abs(every.values).mean(0)
    best = np.argsort(-size, kind="stable")[:6]
    assert list(found.feature_names) == [cells.var_names[i] for i in best]
    np.testing.assert_array_equal(found.values, every.values[:, best])


def test_means_are_the_importances(shap, cells, linear):
    inside = cells[cells.obs["cell_type"] == "B cell"].copy()
    ranked = sct.tl.gene_importance(
        inside, linear, groupby="cell_type", method="contribution", copy=True
    )
    found = sct.get.shap_explanation(inside, linear, "B cell", genes=list(cells.var_names))
    np.testing.assert_allclose(
        found.values.mean(0), ranked.varm["sctabnet_importance"][:, 0], atol=1e-5
    )


def test_is_bounded_and_repeatable(shap, cells, linear):
    first = sct.get.shap_explanation(cells, linear, max_cells=30, n_genes=3)
    again = sct.get.shap_explanation(cells, linear, max_cells=30, n_genes=3)
    assert first.shape == (30, 3) and list(first.instance_names) == list(again.instance_names)
    other = sct.get.shap_explanation(cells, linear, max_cells=30, n_genes=3, random_state=1)
    assert list(first.instance_names) != list(other.instance_names)


def test_a_deep_model_by_integrated_gradients(shap, cells, model):
    found = sct.get.shap_explanation(cells, model, method="integrated_gradients", max_cells=20)
    assert np.isfinite(found.values).all() and found.shape == (20, 100)


@pytest.mark.parametrize("plot", ["beeswarm", "heatmap"])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_shap_draws_it_unchanged(shap, plot, cells, linear):
    found = sct.get.shap_explanation(cells, linear, "NK", n_genes=12)
    ax = getattr(shap.plots, plot)(found, max_display=8, show=False)
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert found.feature_names[0] in names
    plt.close("all")


def test_holds_only_what_cells_list(cells, linear):
    corpus = Corpus.open(cells, vocabulary=linear.vocabulary)
    found = cell_contributions(linear, corpus.minibatches(), corpus.measured[0])
    assert found.listed.nnz == corpus.take(np.arange(240)).values.numel()


def test_without_shap_the_extra_is_named(cells, linear, monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(ImportError, match=r"needs shap.*pip install 'sctabnet\[shap\]'"):
        sct.get.shap_explanation(cells, linear)


def test_wrong_names_are_named(shap, cells, linear, pretrained):
    with pytest.raises(ValueError, match="label must be one of.*Did you mean 'B cell'"):
        sct.get.shap_explanation(cells, linear, "b cell")
    gene = cells.var_names[0]
    with pytest.raises(KeyError, match=f"no gene that.*Did you mean {gene!r}"):
        sct.get.shap_explanation(cells, linear, genes=[f"{gene}x"])
    with pytest.raises(ValueError, match="names no cell types"):
        sct.get.shap_explanation(cells, pretrained)
