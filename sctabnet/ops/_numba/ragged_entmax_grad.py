from __future__ import annotations

import math

import numba
import torch
from torch import Tensor

from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def ragged_entmax_grad(mask_k: Tensor, grad_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    """Multiply with entmax's Jacobian ``diag(s) - s s^T / sum(s)``, ``s = mask ** (2 - alpha)``."""
    out_k = torch.empty_like(mask_k)
    args = (mask_k.numpy(), grad_k.numpy(), offsets.numpy(), out_k.numpy())
    run_parts(_grad_rows, row_bounds(offsets.numpy()), *args, alpha)
    return out_k


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _grad_rows(start, stop, mask, grad, offsets, out, alpha):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        total, weighted = 0.0, 0.0
        for i in range(offsets[row], offsets[row + 1]):
            out[i] = 0
            if mask[i] > 0:
                s = mask[i] if alpha == 1 else math.sqrt(mask[i]) if alpha == 1.5 else 1.0
                out[i] = s
                total += s
                weighted += s * grad[i]
        for i in range(offsets[row], offsets[row + 1]):
            if out[i] > 0:
                out[i] *= grad[i] - weighted / total
    return -1
