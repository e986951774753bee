from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.raise_bad_index import raise_bad_index
from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def list_tokens(
    x_k: Tensor, indices_k: Tensor, offsets: Tensor, std_g: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Write the longer lists in one pass; raises IndexError for an id outside the genes."""
    n_tokens = len(x_k) + len(offsets) - 1
    indices = torch.empty(n_tokens, dtype=torch.int32)
    x, scaled = (torch.empty(n_tokens, dtype=x_k.dtype) for _ in range(2))
    bad_row = run_parts(
        _list_rows,
        row_bounds(offsets.numpy()),
        *(t.numpy() for t in (x_k, indices_k, offsets, std_g, indices, x, scaled)),
    )
    raise_bad_index(bad_row, indices_k, len(std_g))
    return indices, offsets + torch.arange(len(offsets)), x, scaled


@numba.njit(nogil=True, cache=True)
def _list_rows(start, stop, x, indices, offsets, std, out, out_x, scaled):  # type: ignore[no-untyped-def]
    n_genes = np.uint64(len(std))
    for row in range(start, stop):
        for i in range(offsets[row], offsets[row + 1]):
            gene, at = indices[i], i + row
            if np.uint64(gene) >= n_genes:
                return row
            out[at], out_x[at] = gene, x[i]
            scaled[at] = x[i] / std[gene]
        at = offsets[row + 1] + row
        out[at], out_x[at], scaled[at] = len(std), 0, 0
    return -1
