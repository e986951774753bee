from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.ops._torch.row_index import row_index


def list_tokens(
    x_k: Tensor, indices_k: Tensor, offsets: Tensor, std_g: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Write every list, scaled, into a longer one; what no gene fills is the absent token."""
    position_k = torch.arange(len(x_k), device=x_k.device) + row_index(offsets, len(x_k))
    n_tokens = len(x_k) + len(offsets) - 1
    indices = indices_k.new_full((n_tokens,), len(std_g)).index_copy(0, position_k, indices_k)
    zeros = x_k.new_zeros(n_tokens)
    return (
        indices,
        offsets + torch.arange(len(offsets), device=x_k.device),
        zeros.index_copy(0, position_k, x_k),
        zeros.index_copy(0, position_k, x_k / std_g[indices_k]),
    )
