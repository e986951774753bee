from __future__ import annotations

import torch
from torch import Tensor


def segment_sum(x_k: Tensor, offsets: Tensor) -> Tensor:
    """Sum every slice of a ragged vector; an empty slice gives zero."""
    return torch.segment_reduce(x_k, "sum", offsets=offsets, initial=0.0, unsafe=True)
