from __future__ import annotations

import math

import numba
import torch
from torch import Tensor

from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def segment_entropy_grad(grad_n: Tensor, mask_k: Tensor, offsets: Tensor) -> Tensor:
    """Return ``-(log m + 1)`` times the row's gradient on the support, zero elsewhere."""
    out_k = torch.empty_like(mask_k)
    args = (grad_n.numpy(), mask_k.numpy(), offsets.numpy(), out_k.numpy())
    run_parts(_grad_rows, row_bounds(offsets.numpy()), *args)
    return out_k


@numba.njit(nogil=True, cache=True)
def _grad_rows(start, stop, grad, mask, offsets, out):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        for i in range(offsets[row], offsets[row + 1]):
            out[i] = -grad[row] * (math.log(mask[i]) + 1) if mask[i] > 0 else 0.0
    return -1
