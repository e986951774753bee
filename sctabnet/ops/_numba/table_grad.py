from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.add_run import add_run
from sctabnet.ops._numba.block_size import block_size
from sctabnet.ops._numba.common_genes import common_genes
from sctabnet.ops._numba.raise_bad_index import raise_bad_index
from sctabnet.ops._numba.run_parts import gene_bounds, run_parts
from sctabnet.ops._numba.split_lists import dense_chunks, rare_lists, whole_lists

_GENES_AT_ONCE = 2048


def table_grad(
    values_k: Tensor, indices_k: Tensor, offsets: Tensor, grad_nd: Tensor, n_genes: int
) -> Tensor:
    """Add ``values * grad[row]`` onto the table row of every listed gene.

    Every thread owns a range of genes, so that each sum of ascending lists has one fixed order at
    any thread count.
    """
    n_rows, width = grad_nd.shape
    out = np.empty((n_genes, width), grad_nd.numpy().dtype)  # numpy asks for large pages
    lists, starts = whole_lists(values_k, indices_k, offsets), offsets.numpy()
    common = common_genes(indices_k, offsets, n_genes)
    common_hd = grad_nd.new_empty(0, width)
    if common is not None:
        whole, lists = lists, rare_lists(lists)
        common_hd = torch.zeros(len(common.genes_h), width, dtype=grad_nd.dtype)
        for cells, values_ch in dense_chunks(common, whole, lists, starts):
            common_hd.addmm_(values_ch.T, grad_nd[cells])
    n_listed = int((lists.ends - lists.starts).sum())
    block = block_size(n_rows, width, out.itemsize, n_listed, n_genes)
    arrays = (lists.values_k, lists.indices_k, lists.starts, lists.ends)
    bounds = gene_bounds(n_genes, len(indices_k))
    taken = np.zeros(len(bounds) - 1, np.int64)
    to_do = (*arrays, grad_nd.numpy(), out, block, bounds, taken)
    run_parts(_add_cells, bounds, *to_do, True)
    if taken.sum() < n_listed:  # some list does not ascend, or is wrong
        outside = bool(((indices_k < 0) | (indices_k >= n_genes)).any())
        raise_bad_index(0 if outside else -1, indices_k, n_genes)
        run_parts(_add_cells, bounds, *to_do, False)
    out_gd = torch.from_numpy(out)
    if common is not None:
        out_gd[common.genes_h] = common_hd
    return out_gd


@numba.njit(nogil=True, cache=True)
def _add_cells(  # type: ignore[no-untyped-def]
    start, stop, values, indices, starts, ends, grad, out, block, bounds, taken, ordered
):
    """Turn the lists round, genes start..stop only, and sum each gene's cells, some at a time."""
    cells, weights, edges = _lists_of_genes(start, stop, values, indices, starts, ends, ordered)
    taken[np.searchsorted(bounds, start)] = edges[-1]
    out[start:stop] = 0
    at = edges[:-1].copy()
    for first in range(0, len(grad), block):
        top = min(first + block, len(grad))
        for gene in range(stop - start):
            i = at[gene]
            run = i
            while i < edges[gene + 1] and cells[i] < top:
                i += 1
            if i > run:
                add_run(weights, cells, run, i, grad, out[start + gene])
            at[gene] = i
    return -1


@numba.njit(nogil=True, cache=True)
def _lists_of_genes(start, stop, values, indices, starts, ends, ordered):  # type: ignore[no-untyped-def]
    """Return, gene by gene, which cells list it and with which weight, and the offsets.

    The cells of a gene ascend if the lists do.
    """
    low, high = np.uint64(start), np.uint64(stop)
    firsts = starts.copy()
    edges = np.zeros(stop - start + 1, np.int64)
    for row in range(len(starts)):
        if ordered and start > 0:
            firsts[row] += np.searchsorted(indices[starts[row] : ends[row]], low)
        for i in range(firsts[row], ends[row]):
            if indices[i] >= high and ordered:
                break
            if low <= indices[i] < high:
                edges[indices[i] - low + np.uint64(1)] += 1
    for gene in range(stop - start):
        edges[gene + 1] += edges[gene]
    cells, weights = np.empty(edges[-1], np.uint32), np.empty(edges[-1], values.dtype)
    free = edges[:-1].copy()
    # some genes at a time, so that the ends of their lists stay in cache
    for first in range(start, stop, _GENES_AT_ONCE if ordered else max(1, stop - start)):
        top = min(np.uint64(first + _GENES_AT_ONCE), high) if ordered else ~np.uint64(0)
        for row in range(len(starts)):
            i = firsts[row]
            while i < ends[row] and indices[i] < top:
                if low <= indices[i] < high:
                    at = free[indices[i] - low]
                    free[indices[i] - low] = at + 1
                    cells[at], weights[at] = row, values[i]
                i += 1
            firsts[row] = i
    return cells, weights, edges
