from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from sctabnet.train import principal_axes as module
from sctabnet.train.principal_axes import principal_axes


@pytest.mark.parametrize("shape", [(30, 80), (80, 30)])
@pytest.mark.parametrize("several", [False, True])
def test_are_those_of_the_centred_matrix(rng, shape, several, monkeypatch):
    x = sp.random_array(shape, density=0.4, rng=rng, format="csr")
    sides = np.eye(2)[rng.integers(2, size=shape[0])] if several else None
    centre = rng.random((2, shape[1])) if several else x.mean(0)
    dense = x.toarray() - (centre if sides is None else sides @ centre)
    oracle = np.linalg.svd(dense, full_matrices=False)[2][:5].T
    found = principal_axes(x, centre, 5, sides=sides)
    np.testing.assert_allclose(found.T @ found, np.eye(5), atol=1e-8)
    np.testing.assert_allclose(np.abs((found * oracle).sum(0)), 1, atol=1e-6)
    monkeypatch.setattr(module, "MOST", 0)
    np.testing.assert_allclose(principal_axes(x, centre, 5, sides=sides), found, atol=1e-6)


def test_more_axes_than_the_cells_span(rng):
    x = sp.csr_array(np.repeat(rng.random((3, 40)), 4, axis=0))
    found = principal_axes(x, np.asarray(x.mean(0)), 6)
    assert found.shape == (40, 6) and np.isfinite(found).all()
    assert principal_axes(x[:1], np.zeros(40), 6).shape == (40, 0)
