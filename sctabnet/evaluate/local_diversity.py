"""How many groups a cell's neighbourhood mixes: the local inverse Simpson index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet.evaluate.nearest_cells import NearestCells

_STEPS = 50


def local_diversity(cells: NearestCells, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n,) LISI, 1 for neighbours of one group up to the number of groups.

    Neighbours are weighted by exp(-beta distance), with beta of each cell such that the weights'
    perplexity is a third of the number of neighbours (Korsunsky et al., Nat Methods 2019). NaN
    where all neighbours are at the cell's own place.

    Parameters
    ----------
    cells
        Neighbours; the cell itself is left out.
    codes
        int64 (n,) group of each cell.
    """
    distances, indices = cells.distances[:, 1:], cells.indices[:, 1:]
    wanted = np.log(np.floor(cells.indices.shape[1] / 3))
    beta = np.ones(len(distances))
    low, high = np.zeros(len(distances)), np.full(len(distances), np.inf)
    for _ in range(_STEPS):
        # distances from the nearest on: the weights are the same, and none underflows
        weights = np.exp(-(distances - distances[:, :1]) * beta[:, None])
        weights /= weights.sum(1, keepdims=True)
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(1)
        low = np.where(entropy > wanted, beta, low)
        high = np.where(entropy > wanted, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + np.minimum(high, 1e300)) / 2)
    groups = np.arange(codes.max() + 1)
    shares = np.stack([(weights * (codes[indices] == g)).sum(1) for g in groups], 1)
    return np.where(distances[:, -1] > 0, 1 / (shares**2).sum(1), np.nan)
