"""Pair every cell with another one of its stratum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def partners(strata: NDArray[np.int64], *, random_state: int) -> NDArray[np.int64]:
    """Return int64 (n,) a random permutation that keeps strata and leaves no cell in its place.

    Cells alone in their stratum are their own partner.

    Parameters
    ----------
    strata
        int64 (n,), experimental batch of each cell.
    random_state
        Seed.
    """
    rng = np.random.default_rng(random_state)
    order = np.lexsort((rng.random(len(strata)), strata))
    result = np.empty(len(strata), dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(strata[order]) != 0])
    for cells in np.split(order, starts[1:]):
        result[cells] = np.roll(cells, 1)
    return result
