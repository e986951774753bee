from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def keep_support(weights_k: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """List where weights are not zero: their positions and the offsets of the shorter lists."""
    counts_n = torch.empty(len(offsets) - 1, dtype=torch.int64)
    starts, weights = offsets.numpy(), weights_k.numpy()
    bounds = row_bounds(starts)
    run_parts(_count, bounds, weights, starts, counts_n.numpy())
    kept_offsets = torch.zeros_like(offsets)
    torch.cumsum(counts_n, 0, out=kept_offsets[1:])
    kept = torch.empty(int(kept_offsets[-1]), dtype=torch.int64)
    run_parts(_list, bounds, weights, starts, kept_offsets.numpy(), kept.numpy())
    return kept, kept_offsets


@numba.njit(nogil=True, cache=True)
def _count(start, stop, weights, offsets, counts):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        count = np.int64(0)
        for i in range(offsets[row], offsets[row + 1]):
            count += weights[i] != 0
        counts[row] = count
    return -1


@numba.njit(nogil=True, cache=True)
def _list(start, stop, weights, offsets, kept_offsets, kept):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        at = kept_offsets[row]
        for i in range(offsets[row], offsets[row + 1]):
            if weights[i] != 0:
                kept[at] = i
                at += 1
    return -1
