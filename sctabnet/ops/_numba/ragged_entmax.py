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
    candidates = np.empty(longest, np.float64)
    bad_row = -1
    for row in range(start, stop):
        z, p = logits[offsets[row] : offsets[row + 1]], out[offsets[row] : offsets[row + 1]]
        if len(z) == 0:
            continue
        high, broken = z[0], False
        for i in range(len(z)):
            high = max(high, z[i])
            broken |= z[i] != z[i]
        if broken:
            high = np.nan
        highest[row] = high
        if not math.isfinite(high):
            p[:] = np.nan
            bad_row = row if bad_row < 0 else bad_row
        elif alpha == 1:
            total = 0.0
            for i in range(len(z)):
                p[i] = math.exp(z[i] - high)
                total += p[i]
            for i in range(len(z)):
                p[i] /= total
        else:
            # z is centred before it is scaled, so that large logits lose nothing
            tau = _threshold(z, high, alpha - 1, candidates)
            for i in range(len(z)):
                over = max((alpha - 1) * np.float64(z[i] - high) - tau, 0.0)
                p[i] = over if alpha == 2 else over * over
    return bad_row


@numba.njit(nogil=True, cache=True)
def _threshold(z, high, scale, x):  # type: ignore[no-untyped-def]
    """Find tau with ``sum(max(x - tau, 0) ** (1 / scale)) == 1`` for ``x = scale * (z - high)``.

    Newton's iteration from -1, which lies left of the root, on the shrinking list of the x
    above tau (the sum is convex and falls, so it never overshoots).  Given the right support
    the root has a closed form; it is right when all of its members lie above that root.
    """
    n = 0
    for i in range(len(z)):
        scaled = scale * np.float64(z[i] - high)
        if scaled > -1:
            x[n] = scaled
            n += 1
    tau = -1.0
    while True:
        total, lowest = 0.0, 0.0
        for i in range(n):
            total += x[i]
            lowest = min(lowest, x[i])
        mean = total / n
        if scale == 1:
            root = mean - 1 / n
            step = root
        else:
            spread = 0.0
            for i in range(n):
                spread += (x[i] - mean) ** 2
            root = mean - math.sqrt(max((1 - spread) / n, 0.0))
            over = mean - tau
            step = tau + (spread + n * over * over - 1) / (2 * n * over)
        if lowest > root:
            return root
        # rounding may stop Newton short of the last candidate to drop
        tau = step if step > tau else lowest
        kept = 0
        for i in range(n):
            if x[i] > tau:
                x[kept] = x[i]
                kept += 1
        n = kept
