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


def test_profiles_are_shares_of_the_molecules_of_a_type(model, cells):
    """Of most cells: some were held out to measure distances on."""
    counts = cells[:, list(model.vocabulary.ids)].X.toarray().astype(float)
    shares = counts / counts.sum(1, keepdims=True)
    found = np.exp(model.type_distance.profiles.double().numpy())
    np.testing.assert_allclose(found.sum(0), 1, rtol=1e-4)
    assert found.min() > 1e-8
    for code, label in enumerate(model.labels):
        expected = shares[(cells.obs["cell_type"] == label).to_numpy()].mean(0)
        assert np.corrcoef(found[:, code], expected)[0, 1] > 0.99


def test_perplexity_is_that_of_the_molecules_beside_that_of_the_type(model, cells):
    """By hand, with half of the genes measured, shares of what the panel holds."""
    held = np.arange(len(model.vocabulary)) % 2 == 0
    profiles = np.exp(model.type_distance.profiles.double().numpy())[held]
    profiles /= profiles.sum(0)
    query = cells[:20, np.array(model.vocabulary.ids)[held]].copy()
    counts = query.X.toarray().astype(float)
    shares = counts / counts.sum(1, keepdims=True)
    own = -(profiles * np.log(profiles)).sum(0)
    expected = np.exp(-(shares @ np.log(profiles)) - own).min(1)
    np.testing.assert_allclose(distances(model, query)[:, 1], expected, rtol=1e-4)


def test_log1p_values_of_another_scale_have_the_same_perplexity(model, cells):
    query = cells[:30].copy()
    expected = distances(model, query)[:, 1]
    sc.pp.normalize_total(query, target_sum=2e3)
    sc.pp.log1p(query)
    np.testing.assert_allclose(distances(model, query)[:, 1], expected, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:The data measured 80")
@pytest.mark.parametrize("n_genes", [None, 80])
def test_genes_that_no_type_expresses_make_a_cell_strange(cells, n_genes):
    """The axes of the known cells do not hold them; their molecules are unlikely all the same."""
    silent = cells.copy()
    counts = silent.X.toarray()
    counts[:, :5] = 0
    silent.X = counts
    model = sct.finetune(silent, labels_key="cell_type", deep=False)
    query = silent[:200, :n_genes].copy()
    strange = query.X.copy()
    strange[:20, :5] = np.maximum(strange[:20].sum(1, keepdims=True) // 10, 1)
    query.X = strange
    sct.tl.transfer_labels(query, model)
    score = query.obs["sctabnet_unknown_score"].to_numpy()
    assert np.median(score[:20]) > np.quantile(score[20:], 0.9)


def test_a_saved_model_has_the_same_distances(model, cells, tmp_path):
    model.save(tmp_path / "model")
    found = sct.Model.load(tmp_path / "model")
    np.testing.assert_array_equal(distances(found, cells[:50]), distances(model, cells[:50]))


def test_a_model_of_an_earlier_version_knows_one_distance(model, cells, tmp_path):
    model.save(tmp_path / "model")
    earlier = sct.Model.load(tmp_path / "model")
    earlier.type_distance = replace(model.type_distance, profiles=None)
    flat = model.calibration.distances[:, 0].clone()
    earlier.calibration = replace(model.calibration, distances=flat)
    earlier.save(tmp_path / "earlier")
    found = sct.Model.load(tmp_path / "earlier")
    assert found.type_distance.n_distances == 1
    query = cells[:60].copy()
    sct.tl.transfer_labels(query, found)
    assert np.isfinite(query.obs["sctabnet_unknown_score"]).all()
