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
        (k,) value, gene and cell of every listed gene.
    n_cells
        Cells of the minibatch.
    n_top
        Genes to return per cell.
    """
    positive = value > 0
    value, genes, rows = value[positive], genes[positive], rows[positive]
    order = np.lexsort((genes, -value, rows))
    rows, genes = rows[order], genes[order]
    first = np.searchsorted(rows, np.arange(n_cells))
    rank = np.arange(len(rows)) - first[rows]
    best = np.full((n_cells, n_top), -1, dtype=np.int64)
    kept = rank < n_top
    best[rows[kept], rank[kept]] = genes[kept]
    return best
