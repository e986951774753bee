"""Fold changes of a stream of cells, in bounded memory."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


class GroupedExpression:
    """Running sums over cells of every gene's value, per group.

    Parameters
    ----------
    n_genes, n_groups
        Genes g of the vocabulary and groups of cells.
    """

    def __init__(self, n_genes: int, n_groups: int) -> None:
        # the last row takes the cells of no group
        self._values = np.zeros((n_groups + 1, n_genes))
        self._cells = np.zeros(n_groups + 1)

    def add(
        self,
        x: NDArray[np.float32],
        genes: NDArray[np.int64],
        rows: NDArray[np.int64],
        groups: NDArray[np.int64],
    ) -> None:
        """Add cells.

        Parameters
        ----------
        x, genes, rows
            (nnz,) log1p of counts per 10,000, gene and cell of every listed gene.
        groups
            int64 (n,) group of each cell, -1 for none.
        """
        group = np.where(groups < 0, len(self._cells) - 1, groups)
        self._cells += np.bincount(group, minlength=len(self._cells))
        _add(self._values, x, genes, rows, group)

    def log2_fold_change(self) -> NDArray[np.float64]:
        """Return (g, groups) log2 ratio of mean counts per 10,000, as scanpy computes it."""
        everything, n_cells = self._values.sum(0), self._cells.sum()
        values, cells = self._values[:-1], self._cells[:-1, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            inside = values / cells
            others = n_cells - cells
            outside = np.where(others > 0, (everything - values) / others, np.nan)
            return np.log2((np.expm1(inside) + 1e-9) / (np.expm1(outside) + 1e-9)).T


@numba.njit(nogil=True, cache=True)
def _add(sums, x, genes, rows, groups):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        sums[groups[rows[i]], genes[i]] += x[i]
