"""Knockoff evidence against its definition, and no gene certified where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.data.simulate import simulate_atlas
from sctabnet.importance.certificate import certificate
from sctabnet.importance.knockoff_evalues import knockoff_evalues
from sctabnet.train.decoys import decoys


@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.05, 0.1, 0.2, 0.5]))
def test_threshold_is_that_of_knockoff_plus(seed, level):
    rng = np.random.default_rng(seed)
    w = np.round(rng.normal(rng.random(60) * 2, 1), 1)
    w[rng.random(60) < 0.1] = np.nan
    expected = np.zeros(60)
    for t in sorted(set(np.abs(w[np.isfinite(w)])) - {0}):
        if (1 + (w <= -t).sum()) / max(1, (w >= t).sum()) <= level:
            expected[w >= t] = np.isfinite(w).sum() / (1 + (w <= -t).sum())
            break
    np.testing.assert_allclose(knockoff_evalues(w, level), expected)


def test_decoys_keep_every_gene_within_its_stratum(rng):
    x = sp.random_array((50, 12), density=0.4, rng=rng, format="csr")
    strata = rng.integers(3, size=50)
    other = decoys(x, strata, random_state=1).toarray()
    assert (other != x.toarray()).any()
    for stratum in range(3):
        cells = strata == stratum
        np.testing.assert_array_equal(
            np.sort(other[cells], axis=0), np.sort(x.toarray()[cells], axis=0)
        )
    np.testing.assert_array_equal(other, decoys(x, strata, random_state=1).toarray())


@pytest.mark.parametrize("shuffled", [False, True])
def test_markers_are_certified_and_shuffled_labels_certify_nothing(shuffled):
    atlas = simulate_atlas(700, 150, n_types=4, random_state=11)
    if shuffled:
        types = atlas.obs["cell_type"].to_numpy()
        atlas.obs["cell_type"] = np.random.default_rng(0).permutation(types)
    model = sct.finetune(atlas[:350].copy(), labels_key="cell_type", batch_key="batch", deep=False)
    corpus = Corpus.open(
        atlas, vocabulary=model.vocabulary, labels_key="cell_type", labels=model.labels,
        covariate_keys=["batch"],
    )  # fmt: skip
    cells = corpus.take(np.arange(350, 700))
    qvalue = certificate(model, cells, cells.labels.numpy(), cells.covariates[:, 0].numpy())
    is_marker = atlas.var["is_marker"].reindex(model.vocabulary.ids).to_numpy()
    if shuffled:
        assert np.nanmin(qvalue) > 0.1
    else:
        assert (qvalue[is_marker] <= 0.1).mean() >= 0.8
        # donors differ in their types and, a little, in every gene: some others tell of the type
        assert is_marker[qvalue <= 0.1].mean() >= 0.75
