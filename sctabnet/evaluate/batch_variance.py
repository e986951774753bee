"""How much of an embedding's variance the batches explain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def batch_variance(x: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Return the share of the variance of ``x`` (n, d) that lies between batches, 0 to 1.

    Principal component regression over all components (Büttner et al., Nat Methods 2019) weighs
    each component's R2 by its variance; over a full basis the sum does not depend on the basis,
    so no component needs to be computed.

    Parameters
    ----------
    x
        (n, d) cells.
    codes
        int64 (n,) batch of each cell.
    """
    centred = x - x.mean(0)
    total = (centred**2).sum()
    sizes = np.bincount(codes)
    means = np.zeros((len(sizes), x.shape[1]))
    np.add.at(means, codes, centred)
    means /= np.maximum(sizes, 1)[:, None]
    return float((sizes[:, None] * means**2).sum() / total) if total > 0 else 0.0
