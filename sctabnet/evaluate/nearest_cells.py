"""Exact nearest neighbours of every cell, itself first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors


class NearestCells(NamedTuple):
    """Neighbours of n cells by rising distance; a cell is its own first neighbour.

    Parameters
    ----------
    indices
        int64 (n, k).
    distances
        float64 (n, k).
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]

    @classmethod
    def of(cls, x: NDArray[np.float64], n_neighbours: int) -> NearestCells:
        """Find the neighbours of every row of ``x`` (n, d), the cell itself counted as one."""
        k = min(n_neighbours, len(x))
        distances, indices = NearestNeighbors(n_neighbors=k).fit(x).kneighbors(x)
        # of cells at the same place any may come first
        own = np.arange(len(x))
        where = (indices == own[:, None]).argmax(1)
        indices[own, where] = indices[:, 0]
        indices[:, 0] = own
        return cls(indices, distances)

    def first(self, n_neighbours: int) -> NearestCells:
        """Keep the nearest ones."""
        return NearestCells(self.indices[:, :n_neighbours], self.distances[:, :n_neighbours])
