"""Inner products between all pairs of cells."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

_ROWS = 512


def inner_products(x: sp.csr_array) -> NDArray[np.float64]:
    """Return ``x x^T``, float64 (n, n), for (n, g) values of few cells."""
    x = x.astype(np.float64)
    x_t = sp.csr_array(x.T)
    products = np.empty((x.shape[0], x.shape[0]))
    for first in range(0, len(products), _ROWS):
        products[first : first + _ROWS] = (x[first : first + _ROWS] @ x_t).toarray()
    return products
