from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.as_table import as_table
from sctabnet.ops._numba.block_size import block_size
from sctabnet.ops._numba.raise_bad_index import raise_bad_index
from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def gene_dot(
    query_na: Tensor, keys_ga: Tensor, bias_g: Tensor | None, indices_k: Tensor, offsets: Tensor
) -> Tensor:
    """Multiply queries with listed keys; raises IndexError where an id lies outside the keys."""
    n_rows, (n_genes, width) = len(offsets) - 1, keys_ga.shape
    out_k = torch.empty(len(indices_k), dtype=query_na.dtype)
    bias_g = query_na.new_zeros(n_genes) if bias_g is None else bias_g
    block = block_size(n_genes, width, out_k.itemsize, len(indices_k), n_rows)
    bad_row = run_parts(
        _dot_rows,
        row_bounds(offsets.numpy()),
        query_na.numpy(),
        as_table(keys_ga.to(query_na.dtype)),
        as_table(bias_g),
        indices_k.numpy().view(np.uint32),
        offsets.numpy(),
        out_k.numpy(),
        block,
    )
    raise_bad_index(bad_row, indices_k, n_genes)
    return out_k


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _dot_rows(start, stop, query, keys, bias, indices, offsets, out, block):  # type: ignore[no-untyped-def]
    n_genes, width = keys.shape
    at = offsets[start:stop].copy()
    for first in range(0, n_genes, block):
        top = np.uint64(min(first + block, n_genes))
        for row in range(start, stop):
            i, end, q = at[row - start], offsets[row + 1], query[row]
            # four keys share each load of the query
            while (
                i + 3 < end
                and indices[i] < top
                and indices[i + 1] < top
                and indices[i + 2] < top
                and indices[i + 3] < top
            ):
                g0, g1, g2, g3 = indices[i], indices[i + 1], indices[i + 2], indices[i + 3]
                k0, k1, k2, k3 = keys[g0], keys[g1], keys[g2], keys[g3]
                s0, s1, s2, s3 = bias[g0], bias[g1], bias[g2], bias[g3]
                for j in range(width):
                    s0 += q[j] * k0[j]
                    s1 += q[j] * k1[j]
                    s2 += q[j] * k2[j]
                    s3 += q[j] * k3[j]
                out[i], out[i + 1], out[i + 2], out[i + 3] = s0, s1, s2, s3
                i += 4
            while i < end and indices[i] < top:
                k0, s0 = keys[indices[i]], bias[indices[i]]
                for j in range(width):
                    s0 += q[j] * k0[j]
                out[i] = s0
                i += 1
            at[row - start] = i
    for row in range(start, stop):
        if at[row - start] != offsets[row + 1]:
            return row
    return -1
