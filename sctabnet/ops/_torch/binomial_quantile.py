from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.ops._torch.row_index import row_index


def binomial_quantile(counts_k: Tensor, kept_n: Tensor, level_k: Tensor, offsets: Tensor) -> Tensor:
    """Add up the probabilities of 0, 1, 2 ... until the level is passed."""
    out_k = torch.zeros_like(counts_k)
    left = torch.nonzero(counts_k > 0).squeeze(1)
    count, kept, level = (
        counts_k[left],
        kept_n[row_index(offsets, len(counts_k))[left]],
        level_k[left],
    )
    mass = (1 - kept) ** count
    below = mass.clone()
    k = 0
    while len(left):
        beyond = (level > below) & (count > k)
        left, count, kept, level = left[beyond], count[beyond], kept[beyond], level[beyond]
        mass = mass[beyond] * (count - k) / (k + 1) * kept / (1 - kept)
        below = below[beyond] + mass
        out_k[left] += 1
        k += 1
    return out_k
