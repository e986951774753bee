from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def binomial_quantile(counts_k: Tensor, kept_n: Tensor, level_k: Tensor, offsets: Tensor) -> Tensor:
    """Walk up from zero, count by count; most counts are one or two."""
    out_k = torch.empty_like(counts_k)
    arrays = [t.numpy() for t in (counts_k, kept_n, level_k, offsets, out_k)]
    run_parts(_walk, row_bounds(arrays[3]), *arrays)
    return out_k


@numba.njit(nogil=True, cache=True)
def _walk(start, stop, counts, kept, level, offsets, out):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        lost = np.float64(1) - kept[row]
        odds = kept[row] / lost
        for i in range(offsets[row], offsets[row + 1]):
            count = np.int64(counts[i])
            mass = lost**count
            below, k = mass, np.int64(0)
            while k < count and level[i] > below:
                mass *= np.float64(count - k) / np.float64(k + 1) * odds
                below += mass
                k += 1
            out[i] = k
    return -1
