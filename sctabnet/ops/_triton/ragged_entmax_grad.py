from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


def ragged_entmax_grad(mask_k: Tensor, grad_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    """Multiply with entmax's Jacobian ``diag(s) - s s^T / sum(s)``, ``s = mask ** (2 - alpha)``."""
    out_k = torch.empty_like(mask_k)
    if len(offsets) > 1:
        _grad_rows[(len(offsets) - 1,)](
            mask_k, grad_k, offsets, out_k, TWICE_ALPHA=int(2 * alpha), LISTED=1024
        )
    return out_k


@triton.jit
def _grad_rows(mask, grad, offsets, out, TWICE_ALPHA: tl.constexpr, LISTED: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    start, end = tl.load(offsets + row), tl.load(offsets + row + 1)
    total = tl.zeros([LISTED], dtype=out.dtype.element_ty)
    weighted = tl.zeros([LISTED], dtype=out.dtype.element_ty)
    for first in range(start, end, LISTED):
        at = first + tl.arange(0, LISTED)
        s = _weight(tl.load(mask + at, mask=at < end, other=0), TWICE_ALPHA)
        total += s
        weighted += s * tl.load(grad + at, mask=at < end, other=0)
    # an empty row has no weight to divide by
    mean = tl.sum(weighted, axis=0) / tl.where(end > start, tl.sum(total, axis=0), 1)
    for first in range(start, end, LISTED):
        at = first + tl.arange(0, LISTED)
        s = _weight(tl.load(mask + at, mask=at < end, other=0), TWICE_ALPHA)
        g = tl.load(grad + at, mask=at < end, other=0)
        tl.store(out + at, s * (g - mean), mask=at < end)


@triton.jit
def _weight(p, TWICE_ALPHA: tl.constexpr):  # type: ignore[no-untyped-def]
    if TWICE_ALPHA == 2:
        s = p
    elif TWICE_ALPHA == 3:
        s = tl.sqrt(p)
    else:
        s = (p > 0).to(p.dtype)
    return s
