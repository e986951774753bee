from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.ops._torch.segment_sum import segment_sum


def scale_rows(values_k: Tensor, offsets: Tensor, total: float) -> Tensor:
    """Multiply every value with its row's factor."""
    sums_n = segment_sum(values_k, offsets)
    factors_n = total / torch.where(sums_n > 0, sums_n, total)
    lengths = offsets.diff()
    return values_k * torch.repeat_interleave(factors_n, lengths, output_size=len(values_k))
