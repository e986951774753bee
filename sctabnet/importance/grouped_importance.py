"""Importances of a stream of cells, added up per gene and group in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class GroupedImportance:
    """Running sums over cells of what each gene contributed to the answers of each group.

    Parameters
    ----------
    n_genes
        Genes g of the vocabulary.
    n_groups
        Groups of cells.
    """

    def __init__(self, n_genes: int, n_groups: int) -> None:
        self._sums = np.zeros((n_groups, n_genes))
        self._squares = np.zeros((n_groups, n_genes))
        self._cells = np.zeros(n_groups)

    def count(self, groups: NDArray[np.int64]) -> None:
        """Count cells by their group, int64 (n,), -1 for none."""
        self._cells += np.bincount(groups[groups >= 0], minlength=len(self._cells))

    def add(
        self, value: NDArray[np.float32], genes: NDArray[np.int64], groups: NDArray[np.int64]
    ) -> None:
        """Add (nnz,) values with the gene and the group of each; one per gene and cell.

        Cells that list no value for a gene count with 0, as :meth:`count` has counted them.
        """
        inside = groups >= 0
        flat = groups[inside] * self._sums.shape[1] + genes[inside]
        values = value[inside].astype(np.float64)
        for table, weights in ((self._sums, values), (self._squares, values**2)):
            table += np.bincount(flat, weights, minlength=table.size).reshape(table.shape)

    @property
    def n_cells(self) -> NDArray[np.int64]:
        """Cells of each group."""
        return self._cells.astype(np.int64)

    def per_group(self) -> Array:
        """Return (g, groups) mean value over all cells of a group; NaN where it has none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (self._sums / self._cells[:, None]).T

    def standard_error(self) -> Array:
        """Return (g, groups) standard error of :meth:`per_group` over cells."""
        with np.errstate(invalid="ignore", divide="ignore"):
            n = self._cells[:, None]
            variance = (self._squares / n - (self._sums / n) ** 2).clip(0)
            return np.sqrt(variance / (n - 1)).T

    def overall(self, groups: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Return (g,) the mean of :meth:`per_group` over some groups, and its standard error.

        Every group counts alike, however many cells it has: a gene that only a rare type needs is
        not drowned by the common ones.

        Parameters
        ----------
        groups
            bool (groups,), those to take; without any, NaN is returned.
        """
        if not groups.any():
            nothing = np.full(self._sums.shape[1], np.nan)
            return nothing, nothing
        error = self.standard_error()[:, groups]
        return (
            self.per_group()[:, groups].mean(1),
            np.sqrt((error**2).sum(1)) / int(groups.sum()),
        )
