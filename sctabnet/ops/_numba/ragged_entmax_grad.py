from __future__ import annotations

import math

import numba
import numpy as np
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
    longest = 0
    for row in range(start, stop):
        longest = max(longest, offsets[row + 1] - offsets[row])
    support = np.empty(longest, np.int64)
    for row in range(start, stop):
        n, total, weighted = 0, 0.0, 0.0
        for i in range(offsets[row], offsets[row + 1]):
            out[i] = 0
            if mask[i] > 0:
                support[n] = i
                n += 1
        for at in support[:n]:
            s = mask[at] if alpha == 1 else math.sqrt(mask[at]) if alpha == 1.5 else 1.0
            out[at] = s
            total += s
            weighted += s * grad[at]
        for at in support[:n]:
            out[at] *= grad[at] - weighted / total
    return -1
