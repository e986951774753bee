from __future__ import annotations

import torch
from torch import Tensor


def row_index(offsets: Tensor, n_listed: int) -> Tensor:
    """Repeat every row number as often as its list is long."""
    rows = torch.arange(len(offsets) - 1, device=offsets.device)
    return torch.repeat_interleave(rows, offsets.diff(), output_size=n_listed)
