from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from sctabnet.ops._torch.row_index import row_index


def table_grad(
    values_k: Tensor, indices_k: Tensor, offsets: Tensor, grad_nd: Tensor, n_genes: int
) -> Tensor:
    """Add ``values * grad[row]`` per gene: the lists are sorted by gene, one program per gene."""
    width = grad_nd.shape[1]
    out_gd = torch.empty(n_genes, width, dtype=grad_nd.dtype, device=grad_nd.device)
    genes_k, order_k = torch.sort(indices_k, stable=True)
    starts = torch.searchsorted(
        genes_k, torch.arange(n_genes + 1, dtype=genes_k.dtype, device=genes_k.device)
    )
    rows_k = row_index(offsets, len(indices_k))[order_k]
    columns = min(128, triton.next_power_of_2(width))
    if n_genes > 0:
        _sum_genes[(n_genes, triton.cdiv(width, columns))](
            values_k[order_k], rows_k, starts, grad_nd, out_gd, width, LISTED=16, COLUMNS=columns
        )
    return out_gd


@triton.jit
def _sum_genes(values, rows, starts, grad, out, width, LISTED: tl.constexpr, COLUMNS: tl.constexpr):  # type: ignore[no-untyped-def]
    gene = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros([COLUMNS], dtype=out.dtype.element_ty)
    end = tl.load(starts + gene + 1)
    for first in range(tl.load(starts + gene), end, LISTED):
        at = first + tl.arange(0, LISTED)
        row = tl.load(rows + at, mask=at < end, other=0)
        value = tl.load(values + at, mask=at < end, other=0)
        where = row[:, None] * width + column[None, :]
        inside = (at < end)[:, None] & (column < width)[None, :]
        total += tl.sum(value[:, None] * tl.load(grad + where, mask=inside, other=0), axis=0)
    tl.store(out + gene * width + column, total, mask=column < width)
