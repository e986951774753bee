"""What transfer_labels and embed write, for whatever form the same cells come in."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch

import sctabnet as sct
from sctabnet.data.corpus import Corpus


def log1p(adata, target):
    counts = adata.X.toarray().astype(np.float64)
    adata = adata.copy()
    adata.X = sp.csr_matrix(np.log1p(counts / counts.sum(1, keepdims=True) * target)).astype("f4")
    return adata


def probabilities(adata, model, **options):
    result = sct.tl.transfer_labels(adata, model, probability=True, copy=True, **options)
    return result.obsm["sctabnet_probability"]


def test_slots_and_their_types(annotated, model, cells):
    obs = annotated.obs
    assert list(obs["sctabnet_label"].cat.categories) == list(model.labels)
    assert not obs["sctabnet_label"].cat.ordered
    assert obs["sctabnet_confidence"].dtype == np.float32
    assert obs["sctabnet_unknown"].dtype == bool
    probability = annotated.obsm["sctabnet_probability"]
    assert probability.dtype == np.float32 and probability.shape == (240, 3)
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-5)
    assert np.array_equal(obs["sctabnet_label"].cat.codes, probability.argmax(1))
    np.testing.assert_allclose(obs["sctabnet_confidence"], probability.max(1), atol=1e-6)
    sets = annotated.obsm["sctabnet_label_set"]
    assert sets.dtype == bool and sets.shape == (240, 3)
    names = np.array(model.labels, dtype=object)
    assert list(obs["sctabnet_label_set"]) == ["|".join(names[row]) for row in sets]
    embedding = annotated.obsm["X_sctabnet"]
    assert embedding.dtype == np.float32 and embedding.shape == (240, 8)
    assert embedding.flags["C_CONTIGUOUS"]
    uns = annotated.uns["sctabnet"]
    assert list(uns["labels"]) == list(model.labels)
    assert uns["params"]["weights"] == model.digest()
    assert uns["params"]["vocabulary"] == model.vocabulary.digest
    assert (annotated.X != cells.X).nnz == 0
    assert (obs["sctabnet_label"].astype(str) == cells.obs["cell_type"].astype(str)).mean() > 0.8


def test_in_place_returns_nothing_and_a_copy_leaves_the_cells_alone(cells, model):
    adata = cells.copy()
    before = list(adata.obs)
    copied = sct.tl.transfer_labels(adata, model, copy=True)
    assert list(adata.obs) == before and "sctabnet_label" in copied.obs
    assert sct.tl.transfer_labels(adata, model) is None
    assert sct.tl.embed(adata, model, key_added="other") is None
    assert "X_other" in adata.obsm and adata.uns["other"]["params"]["function"] == "embed"
    again = sct.tl.transfer_labels(adata, model, overwrite=True, copy=True)
    assert again.obs["sctabnet_label"].equals(copied.obs["sctabnet_label"])


@pytest.mark.parametrize("form", ["dense", "csc", "int", "float64", "csr_array", "backed", "raw"])
def test_every_form_of_the_same_counts_gives_the_same_bits(cells, model, tmp_path, form):
    expected = probabilities(cells, model)
    adata, layer = cells.copy(), None
    if form == "dense":
        adata.X = adata.X.toarray()
    elif form == "csc":
        adata.X = sp.csc_matrix(adata.X)
    elif form == "int":
        adata.X = adata.X.astype(np.int64)
    elif form == "float64":
        adata.X = adata.X.astype(np.float64)
    elif form == "csr_array":
        adata.X = sp.csr_array(adata.X)
    elif form == "raw":
        adata.raw = adata
        adata.X = -adata.X
        layer = "raw"
    elif form == "backed":
        adata.write_h5ad(tmp_path / "cells.h5ad")
        adata = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
        sct.tl.transfer_labels(adata, model, probability=True)
        sct.tl.embed(adata, model)
        sct.tl.gene_importance(adata, model)
        assert np.array_equal(adata.obsm["sctabnet_probability"], expected)
        adata.file.close()
        return
    assert np.array_equal(probabilities(adata, model, layer=layer), expected)


def test_stored_zeros_unsorted_columns_and_doubled_entries_are_read_as_what_they_mean(cells, model):
    rows, columns = cells.X.nonzero()
    # every count as 1 and the rest, which is often 0, in any order
    data = np.concatenate([np.ones(len(rows)), np.asarray(cells.X[rows, columns]).ravel() - 1])
    rows, columns = np.tile(rows, 2), np.tile(columns, 2)
    order = np.lexsort((np.random.default_rng(0).random(len(rows)), rows))
    raw = sp.csr_matrix(cells.shape, dtype=np.float32)
    raw.data, raw.indices = data[order].astype(np.float32), columns[order]
    raw.indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=240))])
    assert not raw.has_canonical_format and abs(raw - cells.X).max() == 0
    expected = probabilities(cells, model)
    found = probabilities(ad.AnnData(raw, obs=cells.obs, var=cells.var), model)
    assert np.array_equal(found, expected)


def test_a_view_becomes_an_actual_object_with_the_results(cells, model):
    view = cells[:50]
    with pytest.warns(ad.ImplicitModificationWarning):
        sct.tl.transfer_labels(view, model)
    assert len(view.obs["sctabnet_label"]) == 50 and "sctabnet_label" not in cells.obs


def test_versions_of_ensembl_ids_do_not_matter(cells, tiny):
    adata = cells.copy()
    adata.var_names = [f"ENSG{i:011d}.7" for i in range(adata.n_vars)]
    model = sct.finetune(adata, labels_key="cell_type", **tiny)
    assert model.vocabulary.ids[0] == "ENSG00000000000"
    other = adata.copy()
    other.var_names = [f"ENSG{i:011d}.12" for i in range(adata.n_vars)]
    assert np.array_equal(probabilities(adata, model), probabilities(other, model))


def test_counts_and_log1p_values_of_any_target_sum_get_the_same_probabilities(cells, tiny):
    model = sct.finetune(log1p(cells, 1e4), labels_key="cell_type", **tiny)
    expected = probabilities(cells, model)
    for target in (3e3, 1e4, 1e6):
        np.testing.assert_allclose(probabilities(log1p(cells, target), model), expected, atol=1e-5)


def test_one_cell_gets_what_it_gets_among_others(cells, model):
    expected = probabilities(cells, model)
    alone = sct.tl.transfer_labels(cells[:1].copy(), model, coverage=0.9, copy=True)
    assert alone.obs["sctabnet_label"].cat.codes.iloc[0] == expected[0].argmax()
    assert alone.obs["sctabnet_confidence"].iloc[0] == pytest.approx(expected[0].max(), abs=1e-5)
    assert sct.tl.embed(cells[:1].copy(), model, copy=True).obsm["X_sctabnet"].shape == (1, 8)


def test_the_size_of_minibatches_hardly_matters(cells, model, monkeypatch):
    expected = probabilities(cells, model)
    monkeypatch.setattr(sct.settings, "minibatch_size", 7)
    np.testing.assert_allclose(probabilities(cells, model), expected, atol=1e-5)


def test_an_empty_cell_is_answered_without_harm_to_others(cells, model):
    adata = cells.copy()
    adata.X = sp.vstack([sp.csr_matrix((1, 120), dtype=np.float32), adata.X[1:]], format="csr")
    found, expected = probabilities(adata, model), probabilities(cells, model)
    assert np.isfinite(found).all()
    assert np.array_equal(found[1:], expected[1:])


def test_fewer_genes_give_a_warning_with_count_and_share(cells, model):
    attention = model.network.encoder.attention
    kept = np.asarray(cells.var_names[:70])
    share = float(attention[model.vocabulary.index(kept)].sum() / attention.sum())
    with pytest.warns(UserWarning, match=rf"70 of the model's 120 genes \({share:.0%} of its att"):
        sct.tl.embed(cells[:, :70].copy(), model)


def test_an_unseen_level_and_a_missing_column_are_the_unknown_row(cells, model):
    missing, unseen, absent = cells.copy(), cells.copy(), cells.copy()
    del missing.obs["batch"]
    unseen.obs["batch"] = "never seen"
    absent.obs["batch"] = np.nan
    corpus = Corpus.open(
        cells, vocabulary=model.vocabulary, covariate_keys=("batch",),
        covariate_levels=model.covariates,
    )  # fmt: skip
    minibatch = corpus.take(np.arange(240))
    minibatch.covariates = minibatch.covariates * 0
    [(_, prediction)] = model.predict([minibatch])
    with torch.no_grad():
        expected = model.network.integrated(minibatch, prediction).numpy()
    for adata in (missing, unseen, absent):
        found = sct.tl.embed(adata, model, copy=True).obsm["X_sctabnet"]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    known = sct.tl.embed(cells, model, copy=True).obsm["X_sctabnet"]
    assert not np.allclose(known, expected, atol=1e-4)


def test_label_sets_need_names_that_can_be_told_apart(cells, tiny):
    barred = cells.copy()
    barred.obs["cell_type"] = barred.obs["cell_type"].cat.rename_categories(
        lambda name: name + "|x"
    )
    model = sct.finetune(barred, labels_key="cell_type", deep=False, **tiny)
    assert "|" in sct.tl.transfer_labels(cells, model, copy=True).obs["sctabnet_label"].iloc[0]
    with pytest.raises(ValueError, match=r"Labels with '\|' cannot be told apart"):
        sct.tl.transfer_labels(cells, model, coverage=0.9, copy=True)
