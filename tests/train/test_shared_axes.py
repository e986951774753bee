"""Labels across a change of chemistry, whatever the composition of the query."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from sctabnet.train.matched_moments import matched_moments
from sctabnet.train.principal_axes import principal_axes
from sctabnet.train.shared_axes import shared_axes

N_GENES, N_TYPES = 120, 4


def atlas(rng, centres, shares, n, gain, offset):
    labels = rng.choice(N_TYPES, n, p=shares)
    x = centres[labels] + rng.normal(0, 1, (n, N_GENES))
    return sp.csr_array(np.maximum(x * gain + offset, 0)), labels


@pytest.mark.parametrize("shares", [[0.25, 0.25, 0.25, 0.25], [0.85, 0.15, 0.0, 0.0]])
def test_a_change_of_every_gene_is_taken_out(rng, shares):
    centres = 3 + rng.normal(0, 0.35, (N_TYPES, N_GENES))
    x, labels = atlas(rng, centres, [0.25] * N_TYPES, 500, 1, 0)
    gain, offset = rng.uniform(0.3, 1.2, N_GENES), rng.uniform(0, 4, N_GENES)
    query, truth = atlas(rng, centres, shares, 400, gain, offset)
    guess = LogisticRegression().fit(x.toarray(), labels).predict_proba(query.toarray())
    plain = guess.argmax(1)
    folds = np.array_split(rng.permutation(500), 3)
    fitted = shared_axes(x, labels, folds, query, guess.mean(0), balanced=False)
    found = (query @ fitted.weight + fitted.bias).argmax(1)
    assert (found == truth).mean() > max(0.85, (plain == truth).mean() + 0.02)
    np.testing.assert_allclose(fitted.composition, shares, atol=0.07)
    assert np.isfinite(fitted.out_of_fold).all()


def test_axes_around_two_centres_are_those_of_the_centred_matrix(rng):
    x = sp.csr_array(rng.poisson(1, (60, 20)).astype(float))
    x[40:] = x[40:] * 3
    dense = x.toarray()
    centres = np.stack([dense[:40].mean(0), dense[40:].mean(0)])
    sides = np.repeat(np.eye(2), [40, 20], axis=0)
    axes = principal_axes(x, centres, 3, sides=sides)
    expected = PCA(3, svd_solver="full").fit(dense - sides @ centres).components_.T
    np.testing.assert_allclose(np.abs((axes * expected).sum(0)), 1, atol=1e-6)


def test_moments_are_those_of_repeated_rows(rng):
    x = sp.csr_array(rng.poisson(2, (6, 5)).astype(float))
    times = np.array([1, 2, 3, 1, 0, 4])
    mean, std = matched_moments(x, times.astype(float))
    repeated = np.repeat(x.toarray(), times, axis=0)
    np.testing.assert_allclose(mean, repeated.mean(0))
    np.testing.assert_allclose(std, np.sqrt(repeated.var(0) + 0.01))
