"""The genes that count most in every cell of a minibatch."""

from __future__ import annotations

import numba
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
    best = np.full((n_cells, n_top), -1, dtype=np.int64)
    _keep_best(value, genes, rows, best, np.zeros((n_cells, n_top), dtype=value.dtype))
    return best


@numba.njit(nogil=True, cache=True)
def _keep_best(value, genes, rows, best, highest):  # type: ignore[no-untyped-def]
    n_top = best.shape[1]
    for i in range(len(value)):
        found, cell = value[i], rows[i]
        # strictly above: of equals the first, of the lowest gene id, stays before the others
        if found > highest[cell, n_top - 1]:
            at = n_top - 1
            while at and found > highest[cell, at - 1]:
                highest[cell, at], best[cell, at] = highest[cell, at - 1], best[cell, at - 1]
                at -= 1
            highest[cell, at], best[cell, at] = found, genes[i]
