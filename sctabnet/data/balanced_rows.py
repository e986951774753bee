from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced_rows(
    rows: NDArray[np.int64],
    classes: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    seed: int,
    epoch: int,
) -> NDArray[np.int64]:
    """Draw as many cells as there are, equally many of every class.

    Every cell of a class comes equally often, up to one: frequent classes lose a different part of
    their cells in every epoch, rare ones repeat theirs. (Systematic sampling over a random order
    within each class: Madow, Annals of Mathematical Statistics 20, 1949.)

    Parameters
    ----------
    rows
        int64 (n,): cells to draw from.
    classes
        int64 (n,): class of each, -1 is never drawn.
    groups
        int64 (n,): file of each, ascending.
    seed, epoch
        Key of the random numbers.

    Returns
    -------
    numpy.ndarray
        int64 (m,), m the number of cells with a class. Ordered by file; within a file the first
        copies of all cells come before the second ones, so that copies are read far apart.

    Raises
    ------
    ValueError
        If no cell has a class.
    """
    known = np.flatnonzero(classes >= 0)
    if not len(known):
        raise ValueError("No cell has a class to balance. Found -1 throughout. Do not balance.")
    rng = np.random.default_rng([seed, epoch])
    known = rng.permutation(known)
    known = known[np.argsort(classes[known], kind="stable")]
    counts = np.bincount(classes[known])
    wanted = len(known) / (np.count_nonzero(counts) * counts[classes[known]])
    # one grid over all classes; its last point must not fall to rounding
    edges = np.floor(np.append(np.cumsum(wanted)[:-1], len(known)) + rng.random())
    n_copies = np.diff(edges, prepend=0).astype(np.int64)
    drawn = np.repeat(known, n_copies)
    copy = np.arange(len(drawn)) - np.repeat(np.cumsum(n_copies) - n_copies, n_copies)
    return rows[drawn[np.lexsort((rows[drawn], copy, groups[drawn]))]]
