from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.raise_bad_index import raise_bad_index
from sctabnet.ops._numba.run_parts import row_bounds, run_parts

# Measured at width 384: below this share of cells, gathering a gene beats multiplying it densely.
_DENSE_PAYS = 0.3


@dataclass(frozen=True, slots=True)
class CommonGenes:
    """The planner: genes that many cells list go through a matrix product, the rest is gathered.

    A matrix product streams through the table, whatever a cell lists; gathering touches only what
    is listed.  Which is cheaper is settled gene by gene, by the share of the cells that list it.
    """

    genes_h: Tensor
    """int64, the common genes."""
    slot_g: np.ndarray
    """int32, where a gene stands among them; those that are not stand behind the last."""


def common_genes(indices_k: Tensor, offsets: Tensor, n_genes: int) -> CommonGenes | None:
    """Count how many cells list each gene; None where gathering is best for all of them.

    Raises
    ------
    IndexError
        If an id lies outside the table.
    """
    n_rows = len(offsets) - 1
    if len(indices_k) < 64 * n_rows or n_rows < 64:
        return None
    bounds = row_bounds(offsets.numpy())
    counts = np.zeros((len(bounds) - 1, n_genes), np.int32)
    args = (indices_k.numpy().view(np.uint32), offsets.numpy(), counts, bounds)
    raise_bad_index(run_parts(_count, bounds, *args), indices_k, n_genes)
    is_common = counts.sum(0) > _DENSE_PAYS * n_rows
    if not is_common.any():
        return None
    slot_g = np.where(is_common, is_common.cumsum() - 1, is_common.sum()).astype(np.int32)
    return CommonGenes(torch.from_numpy(is_common.nonzero()[0]), slot_g)


@numba.njit(nogil=True, cache=True)
def _count(start, stop, indices, offsets, counts, bounds):  # type: ignore[no-untyped-def]
    part = np.searchsorted(bounds, start)
    n_genes = np.uint64(counts.shape[1])
    for row in range(start, stop):
        for i in range(offsets[row], offsets[row + 1]):
            if indices[i] >= n_genes:
                return row
            counts[part, indices[i]] += 1
    return -1
