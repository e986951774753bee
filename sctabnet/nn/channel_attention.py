"""Channels of the decision steps that attend to each other.

Legend: n cells, c channels (the width of a decision), s decision steps, h heads, f features of a
head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelAttention(nn.Module):
    r"""Query-key-value attention among channels, each described by its course over the steps.

    A channel is a token with s numbers, so that what mixes is channels, as in

    .. math::
        \mathrm{out} = \mathrm{concat}_h \left[ \mathrm{softmax}\left( Q_h K_h^\top / \sqrt f
        \right) V_h \right] W_o

    with :math:`Q_h, K_h, V_h = X W^{q,k,v}_h` of the (c, s) matrix X of a cell. A channel's
    learned address is added to its course before the queries and keys: courses of three numbers
    alone would make most channels alike.

    Parameters
    ----------
    n_channels
        Channels c.
    n_steps
        Decision steps s.
    n_heads
        Heads h; 1 is plain channel attention.

    Notes
    -----
    Fu et al. (2019), "Dual Attention Network", section 3.3 (arXiv 1809.02983) for attention among
    channels; Vaswani et al. (2017), section 3.2.2 (arXiv 1706.03762) for the heads.
    """

    FEATURES = 8

    def __init__(self, n_channels: int, n_steps: int, *, n_heads: int = 1) -> None:
        super().__init__()
        self.n_heads = n_heads
        width = n_heads * self.FEATURES
        self.address = nn.Parameter(torch.randn(n_channels, n_steps) * 0.5)
        self.query = nn.Linear(n_steps, width, bias=False)
        self.key = nn.Linear(n_steps, width, bias=False)
        self.value = nn.Linear(n_steps, width, bias=False)
        self.out = nn.Linear(width, n_steps, bias=False)

    def forward(self, x_ncs: Tensor) -> Tensor:
        """Return (n, c, s)."""
        value_nhcf = self._heads(self.value(x_ncs))
        if x_ncs.is_cpu:  # a third of the time, no maps; on CUDA its gradient has no fixed order
            mixed_nhcf = F.scaled_dot_product_attention(*self._queries_keys(x_ncs), value_nhcf)
        else:
            mixed_nhcf = self.weights(x_ncs) @ value_nhcf
        out: Tensor = self.out(mixed_nhcf.transpose(1, 2).flatten(2))
        return out

    def weights(self, x_ncs: Tensor) -> Tensor:
        """Return the attention maps (n, h, c, c); each row sums to 1."""
        query_nhcf, key_nhcf = self._queries_keys(x_ncs)
        return torch.softmax(query_nhcf @ key_nhcf.transpose(2, 3) * self.FEATURES**-0.5, 3)

    def _queries_keys(self, x_ncs: Tensor) -> tuple[Tensor, Tensor]:
        placed = x_ncs + self.address
        return self._heads(self.query(placed)), self._heads(self.key(placed))

    def _heads(self, x_ncw: Tensor) -> Tensor:
        return x_ncw.unflatten(2, (self.n_heads, self.FEATURES)).transpose(1, 2)
