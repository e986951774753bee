from __future__ import annotations

import numba
import torch
from torch import Tensor

from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def scale_rows(values_k: Tensor, offsets: Tensor, total: float) -> Tensor:
    """Sum and scale each row while it is in cache."""
    out_k = torch.empty_like(values_k)
    bounds = row_bounds(offsets.numpy())
    run_parts(_scale, bounds, values_k.numpy(), offsets.numpy(), total, out_k.numpy())
    return out_k


@numba.njit(nogil=True, cache=True)
def _scale(start, stop, values, offsets, total, out):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        first, end = offsets[row], offsets[row + 1]
        row_sum = 0.0
        for i in range(first, end):
            row_sum += values[i]
        factor = values.dtype.type(total / row_sum if row_sum > 0 else 1.0)
        for i in range(first, end):
            out[i] = values[i] * factor
    return -1
