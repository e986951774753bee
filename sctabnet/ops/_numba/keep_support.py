from __future__ import annotations

import numba
import torch
from torch import Tensor

from sctabnet.ops._numba.run_parts import row_bounds, run_parts


def keep_support(weights_k: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """List where weights are not zero: their positions and the offsets of the shorter lists."""
    counts_n = torch.empty(len(offsets) - 1, dtype=torch.int64)
    found_k = torch.empty(len(weights_k), dtype=torch.int64)
    starts = offsets.numpy()
    bounds = row_bounds(starts)
    run_parts(_find, bounds, weights_k.numpy(), starts, counts_n.numpy(), found_k.numpy())
    kept_offsets = torch.zeros_like(offsets)
    torch.cumsum(counts_n, 0, out=kept_offsets[1:])
    pieces = []
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        n_found = int(kept_offsets[last] - kept_offsets[first])
        pieces.append(found_k[starts[first] : starts[first] + n_found])
    return torch.cat(pieces), kept_offsets


@numba.njit(nogil=True, cache=True)
def _find(start, stop, weights, offsets, counts, found):  # type: ignore[no-untyped-def]
    at = offsets[start]
    for row in range(start, stop):
        before = at
        for i in range(offsets[row], offsets[row + 1]):
            if weights[i] != 0:
                found[at] = i
                at += 1
        counts[row] = at - before
    return -1
