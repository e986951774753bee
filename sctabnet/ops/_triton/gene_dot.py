from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from sctabnet.ops._check_ragged import check_indices


def gene_dot(
    query_na: Tensor, keys_ga: Tensor, bias_g: Tensor | None, indices_k: Tensor, offsets: Tensor
) -> Tensor:
    """Multiply queries with listed keys: one program per cell, its query in registers."""
    check_indices(indices_k, len(keys_ga))
    n_rows, width = query_na.shape
    out_k = torch.empty(len(indices_k), dtype=query_na.dtype, device=query_na.device)
    columns = triton.next_power_of_2(max(width, 1))
    if n_rows > 0:
        _dot_rows[(n_rows,)](
            query_na,
            keys_ga,
            query_na if bias_g is None else bias_g,
            indices_k,
            offsets,
            out_k,
            width,
            HAS_BIAS=bias_g is not None,
            LISTED=max(1, 4096 // columns),
            COLUMNS=columns,
        )
    return out_k


@triton.jit
def _dot_rows(  # type: ignore[no-untyped-def]
    query,
    keys,
    bias,
    indices,
    offsets,
    out,
    width,
    HAS_BIAS: tl.constexpr,
    LISTED: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, COLUMNS)
    q = tl.load(query + row * width + column, mask=column < width, other=0)
    end = tl.load(offsets + row + 1)
    for first in range(tl.load(offsets + row), end, LISTED):
        at = first + tl.arange(0, LISTED)
        gene = tl.load(indices + at, mask=at < end, other=0)
        where = gene[:, None].to(tl.int64) * width + column[None, :]
        inside = (at < end)[:, None] & (column < width)[None, :]
        k = tl.load(keys + where, mask=inside, other=0).to(out.dtype.element_ty)
        product = tl.sum(q[None, :] * k, axis=1)
        if HAS_BIAS:
            product += tl.load(bias + gene, mask=at < end, other=0)
        tl.store(out + at, product, mask=at < end)
