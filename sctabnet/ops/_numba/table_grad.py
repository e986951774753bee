from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.block_size import block_size
from sctabnet.ops._numba.common_genes import common_genes
from sctabnet.ops._numba.raise_bad_index import raise_bad_index
from sctabnet.ops._numba.run_parts import gene_bounds, row_bounds, run_parts
from sctabnet.ops._numba.split_lists import dense_chunks, rare_lists, whole_lists


def table_grad(
    values_k: Tensor, indices_k: Tensor, offsets: Tensor, grad_nd: Tensor, n_genes: int
) -> Tensor:
    """Add ``values * grad[row]`` onto the table row of every listed gene.

    Every thread owns a range of genes, so that each sum has one fixed order at any thread count.
    """
    n_rows, width = grad_nd.shape
    out_gd = torch.empty(n_genes, width, dtype=grad_nd.dtype)
    lists, starts = whole_lists(values_k, indices_k, offsets), offsets.numpy()
    bounds = gene_bounds(n_genes, len(indices_k))
    if run_parts(_first_disordered, row_bounds(starts), lists.indices_k, starts, n_genes) >= 0:
        outside = bool(((indices_k < 0) | (indices_k >= n_genes)).any())
        raise_bad_index(0 if outside else -1, indices_k, n_genes)
        lists_and_out = (lists.values_k, lists.indices_k, starts, grad_nd.numpy(), out_gd.numpy())
        run_parts(_add_any_order, bounds, *lists_and_out)
        return out_gd
    common = common_genes(indices_k, offsets, n_genes)
    common_hd = grad_nd.new_empty(0, width)
    if common is not None:
        whole, lists = lists, rare_lists(lists)
        common_hd = torch.zeros(len(common.genes_h), width, dtype=grad_nd.dtype)
        for cells, values_ch in dense_chunks(common, whole, lists, starts):
            common_hd.addmm_(values_ch.T, grad_nd[cells])
    n_listed = int((lists.ends - lists.starts).sum())
    block = block_size(n_genes, width, out_gd.itemsize, n_listed, n_rows)
    arrays = (lists.values_k, lists.indices_k, lists.starts, lists.ends)
    run_parts(_add_ascending, bounds, *arrays, grad_nd.numpy(), out_gd.numpy(), block)
    if common is not None:
        out_gd[common.genes_h] = common_hd
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
def _add_ascending(start, stop, values, indices, starts, ends, grad, out, block):  # type: ignore[no-untyped-def]
    n_rows, width = grad.shape
    at = np.empty(n_rows, np.int64)
    for row in range(n_rows):
        low, high = starts[row], ends[row]
        at[row] = low + np.searchsorted(indices[low:high], np.uint64(start))
    for first in range(start, stop, block):
        top = np.uint64(min(first + block, stop))
        out[first:top] = 0
        for row in range(n_rows):
            i, end, g = at[row], ends[row], grad[row]
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
