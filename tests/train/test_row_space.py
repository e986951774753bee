from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from sctabnet.train import row_space
from sctabnet.train.ridge import ridge
from sctabnet.train.row_space import RowSpace


@pytest.fixture
def x(rng):
    return sp.random_array((40, 90), density=0.3, rng=rng, format="csr")


def test_inner_products_lengths_and_logits_are_the_same(x, rng):
    space = RowSpace(x)
    assert space.features.shape == (40, 40)
    np.testing.assert_allclose(space.features @ space.features.T, (x @ x.T).toarray(), atol=1e-8)
    inner = rng.normal(size=(40, 3))
    weight = space.outwards(inner)
    np.testing.assert_allclose(x @ weight, space.features @ inner, atol=1e-6)
    np.testing.assert_allclose((weight**2).sum(0), (inner**2).sum(0), rtol=1e-6)
    np.testing.assert_allclose(space.inwards(weight), inner, atol=1e-4)


def test_many_cells_and_few_genes_stay_as_they_are(x):
    space = RowSpace(x.T.tocsr())
    assert space.features.shape == (90, 40) and sp.issparse(space.features)
    weight = np.ones((40, 2))
    assert space.inwards(weight) is weight and space.outwards(weight) is weight


def test_the_fit_is_that_on_the_genes(x, rng, monkeypatch):
    """Copies of a cell and a cell without counts included, from any start."""
    x = sp.vstack([x, x[:2], sp.csr_array((1, 90))], format="csr")
    labels = rng.integers(3, size=43)
    folds = [np.arange(i, 43, 2) for i in range(2)]
    start = rng.normal(size=(91, 3)) / 10
    found = [ridge(x, labels, 3, folds, start=start)]
    monkeypatch.setattr(row_space, "MOST", 0)
    found.append(ridge(x, labels, 3, folds, start=start))
    few, all_ = found
    assert few.c == pytest.approx(all_.c, rel=0.05)
    np.testing.assert_allclose(few.weight, all_.weight, atol=0.02 * np.abs(all_.weight).max())
    np.testing.assert_allclose(few.out_of_fold, all_.out_of_fold, atol=0.02)
