"""Mean and spread of genes, of cells that count differently."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[np.float64]
FLOOR = 0.1  # added in quadrature: a gene that hardly varies must not be blown up


def matched_moments(x: sp.csr_array, weights: Array) -> tuple[Array, Array]:
    """Return float64 (g,) mean and floored standard deviation of the rows of ``x``.

    Parameters
    ----------
    x
        (n, g) values.
    weights
        float64 (n,), how much each row counts.
    """
    share = weights / weights.sum()
    mean = np.asarray(x.T @ share)
    variance = np.asarray(x.multiply(x).T @ share) - mean**2
    return mean, np.sqrt(np.maximum(variance, 0) + FLOOR**2)
