from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


def segment_entropy_grad(grad_n: Tensor, mask_k: Tensor, offsets: Tensor) -> Tensor:
    """Return ``-(log m + 1)`` times the row's gradient on the support, zero elsewhere."""
    out_k = torch.empty_like(mask_k)
    if len(grad_n) > 0:
        _grad_rows[(len(grad_n),)](grad_n, mask_k, offsets, out_k, LISTED=1024)
    return out_k


@triton.jit
def _grad_rows(grad, mask, offsets, out, LISTED: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    start, end = tl.load(offsets + row), tl.load(offsets + row + 1)
    g = tl.load(grad + row)
    for first in range(start, end, LISTED):
        at = first + tl.arange(0, LISTED)
        m = tl.load(mask + at, mask=at < end, other=0)
        slope = tl.log(tl.where(m > 0, m, 1)) + 1
        tl.store(out + at, tl.where(m > 0, -g * slope, 0), mask=at < end)
