"""Importances of a stream of cells, added up per gene and group in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class GroupedImportance:
    """Running sums over cells of what each gene contributed, globally and per group.

    Parameters
    ----------
    n_genes
        Genes g of the vocabulary.
    n_groups
        Groups of cells.
    """

    def __init__(self, n_genes: int, n_groups: int) -> None:
        self._absolute = np.zeros(n_genes)
        self._signed = np.zeros((n_groups, n_genes))
        self._squares = np.zeros((n_groups, n_genes))
        self._values = np.zeros((n_groups, n_genes))
        self._other_values = np.zeros(n_genes)
        self._cells = np.zeros(n_groups)
        self._n_cells = 0

    def add(
        self,
        contribution: NDArray[np.float32],
        x: NDArray[np.float32],
        genes: NDArray[np.int64],
        rows: NDArray[np.int64],
        groups: NDArray[np.int64],
    ) -> None:
        """Add cells.

        Parameters
        ----------
        contribution, x, genes, rows
            (nnz,) contribution and value of every listed gene, its id and its cell.
        groups
            int64 (n,) group of each cell, -1 for none.
        """
        n_groups, n_genes = self._signed.shape
        self._n_cells += len(groups)
        self._absolute += np.bincount(genes, np.abs(contribution), minlength=n_genes)
        group = groups[rows]
        inside = group >= 0
        self._other_values += np.bincount(genes[~inside], x[~inside], minlength=n_genes)
        self._cells += np.bincount(groups[groups >= 0], minlength=n_groups)
        flat = group[inside] * n_genes + genes[inside]
        for table, value in (
            (self._signed, contribution[inside]),
            (self._squares, contribution[inside].astype(np.float64) ** 2),
            (self._values, x[inside]),
        ):
            table += np.bincount(flat, value, minlength=n_groups * n_genes).reshape(table.shape)

    @property
    def n_cells(self) -> NDArray[np.int64]:
        """Cells of each group."""
        return self._cells.astype(np.int64)

    def overall(self) -> Array:
        """Return (g,) each gene's share of the summed absolute contributions."""
        total = self._absolute.sum()
        return self._absolute / total if total > 0 else self._absolute

    def per_group(self) -> Array:
        """Return (g, groups) mean signed contribution; NaN for groups without cells."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (self._signed / self._cells[:, None]).T

    def standard_error(self) -> Array:
        """Return (g, groups) standard error of :meth:`per_group` over cells."""
        with np.errstate(invalid="ignore", divide="ignore"):
            n = self._cells[:, None]
            variance = (self._squares / n - (self._signed / n) ** 2).clip(0)
            return np.sqrt(variance / (n - 1)).T

    def log2_fold_change(self) -> Array:
        """Return (g, groups) log2 ratio of mean counts per 10,000, as scanpy computes it."""
        everything = self._values.sum(0) + self._other_values
        with np.errstate(invalid="ignore", divide="ignore"):
            inside = self._values / self._cells[:, None]
            others = (self._n_cells - self._cells)[:, None]
            outside = np.where(others > 0, (everything - self._values) / others, np.nan)
            return np.log2((np.expm1(inside) + 1e-9) / (np.expm1(outside) + 1e-9)).T
