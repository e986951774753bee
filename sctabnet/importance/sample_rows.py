"""Cells to look at closely, every group among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample_rows(
    groups: NDArray[np.int64], most: int, *, random_state: int = 0
) -> NDArray[np.int64]:
    """Return int64 rows, ascending: equally many cells of every group as far as it has them.

    Parameters
    ----------
    groups
        int64 (n,) group of each cell; cells of group -1 are left out.
    most
        Cells to return at most, but at least ten of every group.
    random_state
        Seed.
    """
    rng = np.random.default_rng(random_state)
    shuffled = rng.permutation(np.flatnonzero(groups >= 0))
    order = shuffled[np.argsort(groups[shuffled], kind="stable")]
    names, starts = np.unique(groups[order], return_index=True)
    each = max(10, most // max(len(names), 1))
    parts = [part[:each] for part in np.split(order, starts[1:])]
    return np.sort(np.concatenate(parts))
