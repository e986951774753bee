"""Importances of a stream of cells, added up per gene and group in bounded memory."""

from __future__ import annotations

import numba
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
    absent
        float64 (labels, g), what a gene adds to a cell that does not list it, by the label that the
        cell is explained for; None for nothing.
    """

    def __init__(self, n_genes: int, n_groups: int, absent: Array | None = None) -> None:
        self._sums = np.zeros((n_groups, n_genes))
        self._squares = np.zeros((n_groups, n_genes))
        self._cells = np.zeros(n_groups)
        self._absent = absent
        self._labels = np.zeros((n_groups, 0 if absent is None else len(absent)))

    def count(self, groups: NDArray[np.int64], labels: NDArray[np.int64] | None = None) -> None:
        """Count cells by their group, int64 (n,), -1 for none, and the label explained."""
        self._cells += np.bincount(groups[groups >= 0], minlength=len(self._cells))
        if self._absent is not None and labels is not None:
            np.add.at(self._labels, (groups[groups >= 0], labels[groups >= 0]), 1)

    def add(
        self,
        value: NDArray[np.float32],
        genes: NDArray[np.int64],
        rows: NDArray[np.int64],
        groups: NDArray[np.int64],
        labels: NDArray[np.int64] | None = None,
    ) -> None:
        """Add values, one per gene and cell, of cells that :meth:`count` has counted.

        A cell that lists no value for a gene has 0 there, or what the gene's absence says.

        Parameters
        ----------
        value, genes, rows
            (nnz,) value, gene and cell of every listed gene.
        groups, labels
            int64 (n,) group of each cell, -1 for none, and the label that it is explained for.
        """
        absent = np.zeros((1, 0)) if self._absent is None or labels is None else self._absent
        known = np.zeros_like(groups) if labels is None else labels
        _add(self._sums, self._squares, value, genes, rows, groups, known, absent)

    @property
    def n_cells(self) -> NDArray[np.int64]:
        """Cells of each group."""
        return self._cells.astype(np.int64)

    def per_group(self) -> Array:
        """Return (g, groups) mean value over all cells of a group; NaN where it has none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = self._sums
            if self._absent is not None:
                sums = sums + self._labels @ self._absent
            return (sums / self._cells[:, None]).T

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


@numba.njit(nogil=True, cache=True)
def _add(sums, squares, value, genes, rows, groups, labels, absent):  # type: ignore[no-untyped-def]
    for i in range(len(value)):
        group, gene = groups[rows[i]], genes[i]
        if group >= 0:
            more = np.float64(value[i])
            if absent.shape[1]:
                more -= absent[labels[rows[i]], gene]
            sums[group, gene] += more
            squares[group, gene] += more * more
