from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.add_run import add_run
from sctabnet.ops._numba.as_table import as_table
from sctabnet.ops._numba.block_size import block_size
from sctabnet.ops._numba.common_genes import common_genes
from sctabnet.ops._numba.raise_bad_index import raise_bad_index
from sctabnet.ops._numba.run_parts import row_bounds, run_parts
from sctabnet.ops._numba.split_lists import dense_chunks, rare_lists, whole_lists


def gene_sum(values_k: Tensor, indices_k: Tensor, offsets: Tensor, table_gd: Tensor) -> Tensor:
    """Sum weighted table rows; raises IndexError where an id lies outside the table."""
    n_rows, (n_genes, width) = len(offsets) - 1, table_gd.shape
    table_gd = table_gd.to(values_k.dtype)
    out_nd = torch.zeros(n_rows, width, dtype=values_k.dtype)
    lists, starts = whole_lists(values_k, indices_k, offsets), offsets.numpy()
    common = common_genes(indices_k, offsets, n_genes)
    if common is not None:
        whole, lists = lists, rare_lists(lists)
        common_hd = table_gd[common.genes_h]
        for cells, values_ch in dense_chunks(common, whole, lists, starts):
            torch.mm(values_ch, common_hd, out=out_nd[cells])
    n_listed = int((lists.ends - lists.starts).sum())
    block = block_size(n_genes, width, out_nd.itemsize, n_listed, n_rows)
    arrays = (lists.values_k, lists.indices_k, lists.starts, lists.ends)
    bounds = row_bounds(starts)
    bad_row = run_parts(_add_rows, bounds, *arrays, as_table(table_gd), out_nd.numpy(), block)
    raise_bad_index(bad_row, indices_k, n_genes)
    return out_nd


@numba.njit(nogil=True, cache=True)
def _add_rows(start, stop, values, indices, starts, ends, table, out, block):  # type: ignore[no-untyped-def]
    n_genes = len(table)
    at = starts[start:stop].copy()
    for first in range(0, n_genes, block):
        top = np.uint64(min(first + block, n_genes))
        for row in range(start, stop):
            i = at[row - start]
            run = i
            while i < ends[row] and indices[i] < top:
                i += 1
            if i > run:
                add_run(values, indices, run, i, table, out[row])
            at[row - start] = i
    for row in range(start, stop):
        if at[row - start] != ends[row]:
            return row
    return -1
