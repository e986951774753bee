"""Multi-head attention that hands out its maps.

Legend: n cells, q queries, p things read, a width, h heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    r""":math:`\mathrm{concat}_h[\mathrm{softmax}(Q_h K_h^\top \sqrt{h/a}) V_h] W_o`.

    Parameters
    ----------
    width
        Width a, of queries and of what is read.
    n_heads
        Heads h, which divide the width.

    Notes
    -----
    Vaswani et al. (2017), section 3.2.2 (arXiv 1706.03762). Torch's fused attention does not give
    the weights, and they are what is to be read here.
    """

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        assert width % n_heads == 0, "the encoder's configuration checks it"
        self.n_heads = n_heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, query_nqa: Tensor, read_npa: Tensor) -> tuple[Tensor, Tensor]:
        """Return what was read (n, q, a), and the weights (n, h, q, p)."""
        query, key, value = (
            linear(x).unflatten(2, (self.n_heads, -1)).transpose(1, 2)
            for linear, x in (
                (self.query, query_nqa),
                (self.key, read_npa),
                (self.value, read_npa),
            )
        )
        weights_nhqp = torch.softmax(query @ key.transpose(2, 3) * query.shape[3] ** -0.5, 3)
        mixed = (weights_nhqp @ value).transpose(1, 2).flatten(2)
        return self.out(mixed), weights_nhqp
