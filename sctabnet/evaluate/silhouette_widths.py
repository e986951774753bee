"""Silhouette widths, in blocks of cells."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import pairwise_distances_chunked


def silhouette_widths(
    x: NDArray[np.float64],
    codes: NDArray[np.int64],
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    others: Literal["nearest", "all"] = "nearest",
) -> NDArray[np.float64]:
    """Return (n,) silhouette widths: (b - a) / max(a, b), 0 for a cell that is alone in its group.

    Parameters
    ----------
    x
        (n, d) cells.
    codes
        int64 (n,) group of each cell, 0 to the number of groups less 1, two groups at least.
    metric
        Distance.
    others
        b is the mean distance to the nearest other group (Rousseeuw 1987), or to all cells of
        other groups (as BRAS has it; Rautenstrauch and Ohler, Nat Biotechnol 2025).
    """
    sizes = np.bincount(codes)
    member = np.eye(len(sizes))[codes]
    widths = np.empty(len(x))
    start = 0
    for distances in pairwise_distances_chunked(x, metric=metric):
        stop = start + len(distances)
        own = codes[start:stop]
        rows = np.arange(len(own))
        sums = distances @ member
        within = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
        if others == "all":
            between = (sums.sum(1) - sums[rows, own]) / (len(x) - sizes[own])
        else:
            means = sums / sizes
            means[rows, own] = np.inf
            between = means.min(1)
        largest = np.maximum(within, between)
        width = np.divide(between - within, largest, out=np.zeros(len(own)), where=largest > 0)
        widths[start:stop] = np.where(sizes[own] > 1, width, 0.0)
        start = stop
    return widths
