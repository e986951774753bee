from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from sctabnet.ops._check_ragged import check_logits


def ragged_entmax(logits_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    """Mask every row: one program per row, which re-reads its logits from cache."""
    out_k = torch.empty_like(logits_k)
    highest_n = torch.zeros(len(offsets) - 1, dtype=logits_k.dtype, device=logits_k.device)
    if len(highest_n) > 0:
        _mask_rows[(len(highest_n),)](
            logits_k, offsets, out_k, highest_n, TWICE_ALPHA=int(2 * alpha), LISTED=1024
        )
    check_logits(highest_n, offsets)
    return out_k


@triton.jit
def _mask_rows(logits, offsets, out, highest, TWICE_ALPHA: tl.constexpr, LISTED: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    start, end = tl.load(offsets + row), tl.load(offsets + row + 1)
    nothing = float("-inf")
    high_l = tl.full([LISTED], nothing, dtype=out.dtype.element_ty)
    n_broken = 0
    for first in range(start, end, LISTED):
        at = first + tl.arange(0, LISTED)
        z = tl.load(logits + at, mask=at < end, other=nothing)
        n_broken += tl.sum((z != z).to(tl.int32), axis=0)
        high_l = tl.maximum(high_l, z)
    high = tl.max(high_l, axis=0)
    if n_broken > 0:
        high = float("nan")
    if end > start:
        tl.store(highest + row, high)
    if TWICE_ALPHA == 2:
        total = tl.zeros([LISTED], dtype=out.dtype.element_ty)
        for first in range(start, end, LISTED):
            at = first + tl.arange(0, LISTED)
            total += tl.exp(tl.load(logits + at, mask=at < end, other=nothing) - high)
        for first in range(start, end, LISTED):
            at = first + tl.arange(0, LISTED)
            p = tl.exp(tl.load(logits + at, mask=at < end, other=nothing) - high)
            tl.store(out + at, p / tl.sum(total, axis=0), mask=at < end)
    else:
        _sparse_row(logits, out, start, end, high, TWICE_ALPHA, LISTED)


@triton.jit
def _sparse_row(logits, out, start, end, high, TWICE_ALPHA: tl.constexpr, LISTED: tl.constexpr):  # type: ignore[no-untyped-def]
    """Find the threshold by Newton's steps from below; exact once the support is right."""
    nothing = float("-inf")
    scale = (TWICE_ALPHA - 2) * 0.5
    tau = tl.full([], -1, dtype=out.dtype.element_ty)
    root = tau
    # NaN or infinite logits are reported by the caller and must not loop
    searching = (end > start) & (high == high) & (high < float("inf")) & (high > nothing)
    while searching:
        count = tl.zeros([LISTED], dtype=out.dtype.element_ty)
        total = tl.zeros([LISTED], dtype=out.dtype.element_ty)
        low = tl.zeros([LISTED], dtype=out.dtype.element_ty)
        for first in range(start, end, LISTED):
            at = first + tl.arange(0, LISTED)
            x = scale * (tl.load(logits + at, mask=at < end, other=nothing) - high)
            inside = x > tau
            count += inside.to(count.dtype)
            total += tl.where(inside, x, 0)
            low = tl.minimum(low, tl.where(inside, x, 0))
        n, lowest = tl.sum(count, axis=0), tl.min(low, axis=0)
        mean = tl.sum(total, axis=0) / n
        if TWICE_ALPHA == 4:
            root = mean - 1 / n
            step = root
        else:
            squares = tl.zeros([LISTED], dtype=out.dtype.element_ty)
            for first in range(start, end, LISTED):
                at = first + tl.arange(0, LISTED)
                x = scale * (tl.load(logits + at, mask=at < end, other=nothing) - high)
                squares += tl.where(x > tau, (x - mean) * (x - mean), 0)
            spread = tl.sum(squares, axis=0)
            root = mean - tl.sqrt(tl.maximum((1 - spread) / n, 0))
            over = mean - tau
            step = tau + (spread + n * over * over - 1) / (2 * n * over)
        searching = lowest <= root
        # rounding may stop Newton short of the last member to drop
        tau = tl.where(step > tau, step, lowest)
    for first in range(start, end, LISTED):
        at = first + tl.arange(0, LISTED)
        x = scale * (tl.load(logits + at, mask=at < end, other=nothing) - high)
        over = tl.maximum(x - root, 0)
        tl.store(out + at, over if TWICE_ALPHA == 4 else over * over, mask=at < end)
