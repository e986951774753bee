from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


def segment_entropy(mask_k: Tensor, offsets: Tensor) -> Tensor:
    """Sum ``-m log m`` over each row's support."""
    out_n = torch.empty(len(offsets) - 1, dtype=mask_k.dtype, device=mask_k.device)
    if len(out_n) > 0:
        _sum_rows[(len(out_n),)](mask_k, offsets, out_n, LISTED=1024)
    return out_n


@triton.jit
def _sum_rows(mask, offsets, out, LISTED: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    start, end = tl.load(offsets + row), tl.load(offsets + row + 1)
    total = tl.zeros([LISTED], dtype=out.dtype.element_ty)
    for first in range(start, end, LISTED):
        at = first + tl.arange(0, LISTED)
        m = tl.load(mask + at, mask=at < end, other=0)
        total -= m * tl.log(tl.where(m > 0, m, 1))
    tl.store(out + row, tl.sum(total, axis=0))
