"""Attention of some cells in the columns of an AnnData."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sctabnet.importance.explain import Explanation


def attention_blocks(
    found: Explanation, lut: NDArray[np.int32], n_genes: int
) -> list[sp.csr_array]:
    """Return one (cells, columns of adata) block per mask, aggregate first.

    Parameters
    ----------
    found
        The cells' masks.
    lut
        int32 (columns of adata,) gene of the vocabulary, -1 for genes that the model does not know.
    n_genes
        Genes of the vocabulary.
    """
    column_of = np.full(n_genes, -1, dtype=np.int64)
    column_of[lut[lut >= 0]] = np.flatnonzero(lut >= 0)
    columns = column_of[found.genes]
    shape = (len(found.cells), len(lut))
    blocks = []
    for mask in found.masks:
        listed = (columns >= 0) & (mask > 0)
        block = sp.csr_array((mask[listed], (found.rows[listed], columns[listed])), shape=shape)
        block.sort_indices()
        blocks.append(block)
    return blocks
