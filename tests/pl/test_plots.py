from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.colors import to_hex

import sctabnet as sct
from sctabnet.pl._figure import palette

N_LABELS = (3, 60)
PLOTS = {
    "umap": lambda a, ax: sct.pl.umap(a, ax=ax),
    "confidence": lambda a, ax: sct.pl.umap(a, "confidence", ax=ax),
    "unknown": lambda a, ax: sct.pl.umap(a, "unknown", ax=ax),
    "confusion": lambda a, ax: sct.pl.confusion(a, "cell_type", ax=ax),
    "calibration": lambda a, ax: sct.pl.calibration(a, "cell_type", ax=ax),
    "coverage": lambda a, ax: sct.pl.coverage(a, "cell_type", ax=ax),
    "label_flow": lambda a, ax: sct.pl.label_flow(a, ["cell_type", "sctabnet_label"], ax=ax),
    "importance_heatmap": lambda a, ax: sct.pl.importance_heatmap(a, ax=ax),
    "importance_dotplot": lambda a, ax: sct.pl.importance_dotplot(a, ax=ax),
    "deletion_curve": lambda a, ax: sct.pl.deletion_curve(a, ax=ax),
    "step_masks": lambda a, ax: sct.pl.step_masks(a, ax=ax),
    "stability": lambda a, ax: sct.pl.stability(a, ["sctabnet", "sctabnet"], ax=ax),
}
FIRST = {
    "deletion_curve": "tl.gene_importance",
    "importance_dotplot": "tl.gene_importance",
    "importance_heatmap": "tl.gene_importance",
    "stability": "tl.gene_importance",
    "step_masks": "tl.gene_importance.*attention=True",
    "umap": "tl.embed.*tl.umap",
    "confidence": "tl.embed.*tl.umap",
    "unknown": "tl.embed.*tl.umap",
    "label_flow": "sctabnet_label",
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def example():
    adata = sct.datasets.example()[0]
    adata.obsm["X_umap"] = adata.obsm["X_sctabnet"][:, :2]  # stands in for a map
    return adata


@pytest.fixture(scope="module", params=N_LABELS)
def many(request):
    """300 cells with labels of real length and importances of as many groups."""
    n, rng = request.param, np.random.default_rng(0)
    names = [f"CD{i}-positive, memory T/NK cell" for i in range(n)]
    truth, n_genes = rng.permutation(np.arange(300) % n), 80
    adata = AnnData(np.zeros((300, n_genes), np.float32))
    adata.obs["cell_type"] = pd.Categorical.from_codes(truth, names)
    given = np.where(rng.random(300) < 0.8, truth, rng.permutation(truth))
    adata.obs["sctabnet_label"] = pd.Categorical.from_codes(given, names)
    adata.obs["sctabnet_confidence"] = rng.random(300).astype(np.float32)
    adata.obs["sctabnet_unknown"] = rng.random(300) < 0.1
    adata.obsm["X_umap"] = rng.normal(size=(300, 2))
    scores = np.sort(rng.random((n_genes, n)), axis=0)[::-1]
    order = rng.permuted(np.tile(np.arange(n_genes)[:, None], (1, n)), axis=0)
    genes = np.array([f"GENE{i}" for i in range(n_genes)], dtype=object)
    adata.var_names = genes.astype(str)
    importance = np.empty((n_genes, n), np.float32)
    np.put_along_axis(importance, order, scores.astype(np.float32), axis=0)
    adata.varm["sctabnet_importance"] = importance

    def table(values, kind):
        return np.rec.fromarrays(list(values.T), dtype=[(name, kind) for name in names])

    adata.uns["sctabnet_importance"] = {
        "names": table(genes[order], "O"),
        "scores": table(scores, "f4"),
        "logfoldchanges": table(scores - 0.5, "f4"),
        "groups": names,
    }
    return adata


@pytest.mark.parametrize("name", list(PLOTS))
def test_draws_into_the_given_axes_and_changes_nothing(name, example):
    before = set(example.uns), list(example.obs), list(example.obsm)
    _, ax = plt.subplots()
    assert PLOTS[name](example, ax) is ax
    assert (set(example.uns), list(example.obs), list(example.obsm)) == before


@pytest.mark.parametrize("name", list(PLOTS))
def test_says_which_call_computes_what_is_missing(name, cells):
    wanted = FIRST.get(name, "sctabnet.tl.transfer_labels")
    with pytest.raises(KeyError, match=wanted):
        PLOTS[name](cells, None)


TEXTS = ["umap", "confusion", "label_flow", "importance_heatmap", "importance_dotplot"]


@pytest.mark.parametrize("name", TEXTS)
def test_names_do_not_overlap(name, many):
    ax = PLOTS[name](many, None)
    figure = ax.figure
    figure.canvas.draw()
    assert figure.get_size_inches().max() <= 15
    texts = [*ax.get_yticklabels()]
    if name == "umap":
        texts = list(ax.get_legend().get_texts())
    if name == "label_flow":
        texts = [text for text in ax.texts if text.get_horizontalalignment() == "left"]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert len(boxes) >= 3
    for i, first in enumerate(boxes):
        for second in boxes[i + 1 :]:
            wide = min(first.x1, second.x1) - max(first.x0, second.x0)
            high = min(first.y1, second.y1) - max(first.y0, second.y0)
            assert wide <= 0 or high <= 0.35 * first.height
    for box in boxes:  # nothing is cut off
        assert box.x0 >= -2 and box.x1 <= figure.bbox.x1 + 2


def test_long_names_fit_beside_a_flow_and_keep_their_colour(example):
    """Names of the Cell Ontology are long, and categories may be in another order."""
    adata = example.copy()
    labels = adata.obs["sctabnet_label"].cat
    long = {name: f"CD4-positive, alpha-beta memory T cell, {name}" for name in labels.categories}
    adata.obs["predicted"] = labels.rename_categories(long)
    turned = adata.obs["predicted"].cat
    adata.obs["known"] = turned.reorder_categories(turned.categories[::-1])
    ax = sct.pl.label_flow(adata, ["known", "predicted"])
    ax.figure.canvas.draw()
    for text in ax.texts:
        box = text.get_window_extent()
        assert box.x0 >= -2 and box.x1 <= ax.figure.bbox.x1 + 2
    bars = [to_hex(bar.get_facecolor()[0]) for bar in ax.collections]
    names = [text.get_text() for text in ax.texts]
    assert len(set(zip(names, bars, strict=True))) == len(set(names)) == 3


def test_names_of_genes_beside_their_effects_do_not_overlap():
    screen, model = sct.datasets.example_perturbation()
    effects = sct.tl.predict_perturbation(screen, model, ["P3"], return_="delta")
    effects.X = effects.X / 20  # most named genes have nearly the same effect
    effects.X[0, :2] = (1.0, 0.8)
    ax = sct.pl.perturbation_scatter(effects, "P3")
    ax.figure.canvas.draw()
    named = [text for text in ax.texts if text.get_text()]
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in named]
    assert len(boxes) == 10
    for i, first in enumerate(boxes):
        assert first.x0 >= ax.bbox.x0 - 1 and first.x1 <= ax.bbox.x1 + 1
        for second in boxes[i + 1 :]:
            wide = min(first.x1, second.x1) - max(first.x0, second.x0)
            high = min(first.y1, second.y1) - max(first.y0, second.y0)
            assert wide <= 0 or high <= 0.35 * first.height


def test_stored_colours_are_used_and_ours_are_distinct(example):
    adata = example.copy()
    adata.uns["sctabnet_label_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    handles = sct.pl.umap(adata).get_legend().legend_handles
    assert [to_hex(h.get_color()) for h in handles[:3]] == ["#ff0000", "#00ff00", "#0000ff"]
    assert len(set(palette(60))) == 60


def test_calibration_counts_each_cell_once(example):
    ax = sct.pl.calibration(example, "cell_type", n_bins=4)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert 1 <= len(dots) <= 4
    adata = example.copy()
    adata.obs["sctabnet_confidence"] = np.float32(0.7)
    right = (adata.obs["cell_type"].astype(str) == adata.obs["sctabnet_label"].astype(str)).mean()
    [dot] = [x for x in sct.pl.calibration(adata, "cell_type").lines if x.get_marker() == "o"]
    assert dot.get_ydata()[0] == pytest.approx(right)
    adata.obs["none"] = pd.Categorical([np.nan] * adata.n_obs, categories=["a"])
    with pytest.raises(ValueError, match="no cells with a known label"):
        sct.pl.calibration(adata, "none")


def test_equal_rankings_are_wholly_stable(example):
    ax = sct.pl.stability(example, ["sctabnet", "sctabnet"])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 1)
    with pytest.raises(ValueError, match="two or more"):
        sct.pl.stability(example, ["sctabnet"])


def test_step_masks_are_means_over_the_group(example):
    ax = sct.pl.step_masks(example, "NK cell", n_genes=12)
    drawn = np.asarray(ax.images[0].get_array())
    inside = (example.obs["sctabnet_label"] == "NK cell").to_numpy()
    genes = [tick.get_text() for tick in ax.get_xticklabels()]
    layer = example[inside, genes].layers["sctabnet_attention_step2"]
    np.testing.assert_allclose(drawn[1], np.asarray(layer.mean(axis=0)).ravel(), rtol=1e-5)
    with pytest.raises(KeyError, match="Did you mean 'NK cell'"):
        sct.pl.step_masks(example, "NK cel")


def test_training_curves_say_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        sct.pl.training_curves(tmp_path)
    (tmp_path / "recipe.yaml").write_text("seed: 0")
    with pytest.raises(ValueError, match="no losses to draw"):
        sct.pl.training_curves(tmp_path)
