from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from sctabnet.ops._check_ragged import check_indices


def gene_sum(values_k: Tensor, indices_k: Tensor, offsets: Tensor, table_gd: Tensor) -> Tensor:
    """Sum weighted table rows: one program per cell and slice of the columns."""
    check_indices(indices_k, len(table_gd))
    n_rows, width = len(offsets) - 1, table_gd.shape[1]
    out_nd = torch.empty(n_rows, width, dtype=values_k.dtype, device=values_k.device)
    columns = min(128, triton.next_power_of_2(width))
    if n_rows > 0:
        _sum_rows[(n_rows, triton.cdiv(width, columns))](
            values_k, indices_k, offsets, table_gd, out_nd, width, LISTED=16, COLUMNS=columns
        )
    return out_nd


@triton.jit
def _sum_rows(  # type: ignore[no-untyped-def]
    values, indices, offsets, table, out, width, LISTED: tl.constexpr, COLUMNS: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros([COLUMNS], dtype=out.dtype.element_ty)
    end = tl.load(offsets + row + 1)
    for first in range(tl.load(offsets + row), end, LISTED):
        at = first + tl.arange(0, LISTED)
        gene = tl.load(indices + at, mask=at < end, other=0)
        value = tl.load(values + at, mask=at < end, other=0)
        where = gene[:, None].to(tl.int64) * width + column[None, :]
        inside = (at < end)[:, None] & (column < width)[None, :]
        rows = tl.load(table + where, mask=inside, other=0).to(out.dtype.element_ty)
        total += tl.sum(value[:, None] * rows, axis=0)
    tl.store(out + row * width + column, total, mask=column < width)
