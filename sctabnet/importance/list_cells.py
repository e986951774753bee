"""Cells of a sparse matrix as the lists that a network reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from sctabnet.data.minibatch import Minibatch


def list_cells(
    matrix: sp.csr_array, cells: Minibatch, rows: NDArray[np.int64]
) -> tuple[Minibatch, Tensor]:
    """Return cells with other values, and these values, for ``network(minibatch, x=x)``.

    Parameters
    ----------
    matrix
        (m, g) normalised values, log1p of counts per 10,000; zeros are not listed.
    cells
        Where labels, covariates and panels come from.
    rows
        int64 (m,) the cell of ``cells`` that each row of ``matrix`` is made from.
    """
    matrix = sp.csr_array(matrix)
    matrix.sort_indices()
    matrix.eliminate_zeros()
    x = torch.from_numpy(matrix.data.astype(np.float32))
    taken = torch.from_numpy(rows)
    listed = replace(
        cells,
        values=x,
        indices=torch.from_numpy(matrix.indices.astype(np.int32)),
        offsets=torch.from_numpy(matrix.indptr.astype(np.int64)),
        labels=cells.labels[taken],
        covariates=cells.covariates[taken],
        weights=cells.weights[taken],
        row_ids=cells.row_ids[taken],
        source_ids=cells.source_ids[taken],
    )
    return listed, x
