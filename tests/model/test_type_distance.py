from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scanpy as sc

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.train.type_distances import type_distances


@pytest.fixture(scope="module")
def model(cells):
    return sct.finetune(cells, labels_key="cell_type", deep=False)


def distances(model, adata):
    corpus = Corpus.open(adata, vocabulary=model.vocabulary)
    return type_distances(model, corpus, np.arange(adata.n_obs)).numpy()


def test_perplexity_is_that_of_the_molecules_under_the_most_fitting_type(model, cells):
    """By hand, with half of the genes measured, shares of what the panel holds."""
    query = cells[:20, ::2].copy()
    held = np.isin(model.vocabulary.ids, query.var_names)
    profiles = np.exp(model.type_distance.profiles.double().numpy())[held]
    profiles /= profiles.sum(0)
    query = query[:, np.array(model.vocabulary.ids)[held]].copy()
    counts = query.X.toarray().astype(float)
    shares = counts / counts.sum(1, keepdims=True)
    expected = np.exp(-(shares @ np.log(profiles))).min(1)
    np.testing.assert_allclose(distances(model, query)[:, 1], expected, rtol=1e-4)


def test_a_gene_that_no_type_expresses_makes_a_cell_strange(cells):
    """The axes of the known cells do not hold it; its molecules are unlikely all the same."""
    silent = cells.copy()
    counts = silent.X.toarray()
    counts[:, :5] = 0
    silent.X = counts
    model = sct.finetune(silent, labels_key="cell_type", deep=False)
    query = silent[:200].copy()
    strange = query.X.copy()
    strange[:20, :5] = strange[:20].sum(1, keepdims=True) // 20
    query.X = strange
    perplexity = distances(model, query)[:, 1]
    assert perplexity[:20].min() > np.quantile(perplexity[20:], 0.95)
    sct.tl.transfer_labels(query, model)
    score = query.obs["sctabnet_unknown_score"].to_numpy()
    assert np.median(score[:20]) > np.quantile(score[20:], 0.9)


def test_a_saved_model_has_the_same_distances_and_one_without_profiles_still_works(
    model, cells, tmp_path
):
    model.save(tmp_path / "model")
    found = sct.Model.load(tmp_path / "model")
    np.testing.assert_array_equal(distances(found, cells[:50]), distances(model, cells[:50]))
    tensors = model.type_distance.to_tensors()
    del tensors["type_distance.profiles"]
    earlier = type(model.type_distance).from_tensors(tensors)
    assert not tensors and earlier.n_distances == 1
    found.type_distance = earlier
    flat = model.calibration.distances[:, 0].clone()  # as that version kept them
    found.calibration = replace(found.calibration, distances=flat)
    query = cells[:50].copy()
    sct.tl.transfer_labels(query, found)
    assert np.isfinite(query.obs["sctabnet_unknown_score"]).all()


def test_log1p_values_of_another_scale_have_the_same_perplexity(model, cells):
    query = cells[:30].copy()
    expected = distances(model, query)[:, 1]
    sc.pp.normalize_total(query, target_sum=1e4)
    sc.pp.log1p(query)
    np.testing.assert_allclose(distances(model, query)[:, 1], expected, rtol=1e-4)
