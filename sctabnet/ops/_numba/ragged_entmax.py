from __future__ import annotations

import math

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._check_ragged import check_logits
from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def ragged_entmax(logits_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    """Mask every row; raises ValueError where a row's highest logit is not finite."""
    out_k = torch.empty_like(logits_k)
    highest_n = torch.empty(len(offsets) - 1, dtype=logits_k.dtype)
    args = (logits_k.numpy(), offsets.numpy(), out_k.numpy(), highest_n.numpy())
    if run_parts(_mask_rows, row_bounds(offsets.numpy()), *args, alpha) >= 0:
        check_logits(highest_n, offsets)
    return out_k


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _mask_rows(start, stop, logits, offsets, out, highest, alpha):  # type: ignore[no-untyped-def]
    longest = 0
    for row in range(start, stop):
        longest = max(longest, offsets[row + 1] - offsets[row])
        highest[row] = 0
    x, kept = np.empty(longest, logits.dtype), np.empty(longest, np.float64)
    bad_row = -1
    for row in range(start, stop):
        z, p = logits[offsets[row] : offsets[row + 1]], out[offsets[row] : offsets[row + 1]]
        if len(z) == 0:
            continue
        high = _highest(z)
        highest[row] = high
        if not math.isfinite(high):
            bad_row = row if bad_row < 0 else bad_row
        elif alpha == 1:
            total = 0.0
            for i in range(len(z)):
                p[i] = math.exp(z[i] - high)
                total += p[i]
            for i in range(len(z)):
                p[i] /= total
        else:
            # centred before it is scaled, so that large logits lose nothing
            scale = z.dtype.type(alpha - 1)
            for i in range(len(z)):
                x[i] = scale * (z[i] - high)
            near = _newton(x[: len(z)], alpha == 2)
            tau = x.dtype.type(_exact(x[: len(z)], near, alpha == 2, kept))
            for i in range(len(z)):
                over = x[i] - tau
                over = over if over > 0 else x.dtype.type(0)
                p[i] = over if alpha == 2 else over * over
    return bad_row


@numba.njit(nogil=True, cache=True)
def _highest(z):  # type: ignore[no-untyped-def]
    """Return the maximum, or NaN if there is one."""
    high, n_nan = z[0], 0
    for i in range(len(z)):
        high = z[i] if z[i] > high else high
        n_nan += z[i] != z[i]
    return z.dtype.type(np.nan) if n_nan > 0 else high


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _newton(x, is_sparsemax):  # type: ignore[no-untyped-def]
    """Come close to the root of ``sum(max(x - tau, 0) ** power) == 1`` from below.

    The sum is convex and falls, so Newton's steps from -1 never pass the root, but for rounding.
    Whole rows, without branches, at the working precision: this runs at the speed of the cache.
    """
    zero = x.dtype.type(0)
    tau = x.dtype.type(-1)
    for _ in range(60):
        total, squares = zero, zero
        count = 0
        for i in range(len(x)):
            over = x[i] - tau
            over = over if over > zero else zero
            total += over
            squares += over * over
            count += x[i] > tau
        step = (total - 1) / count if is_sparsemax else (squares - 1) / (2 * total)
        tau += x.dtype.type(step)
        if step < 1e-4:
            break
    # a margin for rounding: the exact search starts below the root
    return tau - x.dtype.type(1e-5)


@numba.njit(nogil=True, cache=True)
def _exact(x, tau, is_sparsemax, kept):  # type: ignore[no-untyped-def]
    """Find the root itself in float64, on the list of the x above a tau below the root.

    Given the right support the root has a closed form; the support is right when all its members
    lie above that root.  Until then Newton goes on, and the list shrinks.
    """
    n = 0
    for i in range(len(x)):
        if x[i] > tau:
            kept[n] = x[i]
            n += 1
    near = float(tau)
    while True:
        total, lowest, spread = 0.0, 0.0, 0.0
        for i in range(n):
            total += kept[i]
            lowest = min(lowest, kept[i])
        mean = total / n
        if is_sparsemax:
            root = mean - 1 / n
            step = root
        else:
            for i in range(n):
                spread += (kept[i] - mean) ** 2
            root = mean - math.sqrt(max((1 - spread) / n, 0.0))
            over = mean - near
            step = near + (spread + n * over * over - 1) / (2 * n * over)
        if lowest > root:
            return root
        # rounding may stop Newton short of the last member to drop
        near = step if step > near else lowest
        m = 0
        for i in range(n):
            if kept[i] > near:
                kept[m] = kept[i]
                m += 1
        n = m
