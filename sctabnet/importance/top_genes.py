"""The genes that count most in every cell of a minibatch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def top_genes(
    value: NDArray[np.float32],
    genes: NDArray[np.int64],
    rows: NDArray[np.int64],
    n_cells: int,
    *,
    n_top: int = 5,
) -> NDArray[np.int64]:
    """Return int64 (n_cells, n_top) gene ids by falling value, -1 where a cell has fewer.

    Only genes of positive value are listed; ties are broken by gene id.

    Parameters
    ----------
    value, genes, rows
        (k,) value, gene and cell of every listed gene, cells ascending and in them genes.
    n_cells
        Cells of the minibatch.
    n_top
        Genes to return per cell.
    """
    positive = value > 0
    left, genes, rows = value[positive], genes[positive], rows[positive]
    best = np.full((n_cells, n_top), -1, dtype=np.int64)
    cells, starts = np.unique(rows, return_index=True)
    lengths = np.diff(starts, append=len(rows))
    for rank in range(n_top if len(rows) else 0):
        highest = np.maximum.reduceat(left, starts)
        # the first of equals is the one of the lowest gene id
        at = np.flatnonzero(left == np.repeat(highest, lengths))
        at = at[np.diff(rows[at], prepend=-1) > 0]
        some = highest > 0
        best[cells[some], rank] = genes[at[some]]
        left[at] = 0
    return best
