from __future__ import annotations

import math

import numba
import torch
from torch import Tensor

from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def segment_entropy(mask_k: Tensor, offsets: Tensor) -> Tensor:
    """Sum ``-m log m`` over each row's support."""
    out_n = torch.empty(len(offsets) - 1, dtype=mask_k.dtype)
    bounds = row_bounds(offsets.numpy())
    run_parts(_sum_rows, bounds, mask_k.numpy(), offsets.numpy(), out_n.numpy())
    return out_n


@numba.njit(nogil=True, cache=True)
def _sum_rows(start, stop, mask, offsets, out):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        total = 0.0
        for i in range(offsets[row], offsets[row + 1]):
            if mask[i] > 0:
                total -= mask[i] * math.log(mask[i])
        out[row] = total
    return -1
