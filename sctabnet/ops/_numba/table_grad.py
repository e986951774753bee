from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.block_size import block_size
from sctabnet.ops._numba.raise_bad_index import raise_bad_index
from sctabnet.ops._numba.run_parts import gene_bounds, row_bounds, run_parts


def table_grad(
    values_k: Tensor, indices_k: Tensor, offsets: Tensor, grad_nd: Tensor, n_genes: int
) -> Tensor:
    """Add ``values * grad[row]`` onto the table row of every listed gene.

    Every thread owns a range of genes, so that each sum has one fixed order at any thread count.
    """
    n_rows, width = grad_nd.shape
    out_gd = torch.empty(n_genes, width, dtype=grad_nd.dtype)
    indices, starts = indices_k.numpy().view(np.uint64), offsets.numpy()
    bounds = gene_bounds(n_genes, len(indices_k))
    args = (values_k.numpy(), indices, starts, grad_nd.numpy(), out_gd.numpy())
    if run_parts(_first_disordered, row_bounds(starts), indices, starts, n_genes) < 0:
        block = block_size(n_genes, width, out_gd.itemsize, len(indices_k), n_rows)
        run_parts(_add_ascending, bounds, *args, block)
    else:
        outside = bool(((indices_k < 0) | (indices_k >= n_genes)).any())
        raise_bad_index(0 if outside else -1, indices_k, n_genes)
        run_parts(_add_any_order, bounds, *args)
    return out_gd


@numba.njit(nogil=True, cache=True)
def _first_disordered(start, stop, indices, offsets, n_genes):  # type: ignore[no-untyped-def]
    """Return the first row whose ids do not ascend within the table, or -1."""
    for row in range(start, stop):
        first, end = offsets[row], offsets[row + 1]
        fine = first == end or indices[end - 1] < np.uint64(n_genes)
        for i in range(first + 1, end):
            fine &= indices[i - 1] <= indices[i]
        if not fine:
            return row
    return -1


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _add_ascending(start, stop, values, indices, offsets, grad, out, block):  # type: ignore[no-untyped-def]
    n_rows, width = grad.shape
    at = np.empty(n_rows, np.int64)
    for row in range(n_rows):
        low, high = offsets[row], offsets[row + 1]
        at[row] = low + np.searchsorted(indices[low:high], np.uint64(start))
    for first in range(start, stop, block):
        top = np.uint64(min(first + block, stop))
        out[first:top] = 0
        for row in range(n_rows):
            i, end, g = at[row], offsets[row + 1], grad[row]
            while i < end and indices[i] < top:
                value, o = values[i], out[indices[i]]
                for j in range(width):
                    o[j] += value * g[j]
                i += 1
            at[row] = i
    return -1


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _add_any_order(start, stop, values, indices, offsets, grad, out):  # type: ignore[no-untyped-def]
    n_rows, width = grad.shape
    out[start:stop] = 0
    for row in range(n_rows):
        for i in range(offsets[row], offsets[row + 1]):
            if start <= np.int64(indices[i]) < stop:
                value, o = values[i], out[indices[i]]
                for j in range(width):
                    o[j] += value * grad[row, j]
    return -1
