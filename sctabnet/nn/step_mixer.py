"""From the decisions of several steps to one embedding, by more than their sum.

Legend: n cells, c channels (n_d), s decision steps.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from sctabnet.nn.channel_attention import ChannelAttention
from sctabnet.nn.squeeze_excite import SqueezeExcite

MixName = Literal["sum", "channel_attention", "squeeze_excite", "multi_head"]


class StepMixer(nn.Module):
    r"""A convolution over the decision steps and attention over channels, around the sum.

    .. math::
        D &= [\mathrm{ReLU}(d^1), \dots, \mathrm{ReLU}(d^S)] \\
        \mathrm{embedding} &= \sum_s \left( D + \mathrm{drop}\left( W_o \, \mathrm{attend}(
        \mathrm{GELU}(\mathrm{conv}(\mathrm{norm}(D)))) \right) \right)_s

    The convolution reads neighbouring steps; ``attend`` is :class:`ChannelAttention` with one
    head (``channel_attention``) or several (``multi_head``), or :class:`SqueezeExcite`. The norm
    is a layer norm over the channels of a step. :math:`W_o` starts at zero: before training the
    embedding is TabNet's sum, to the bit.

    Parameters
    ----------
    kind
        Which channel attention.
    n_channels, n_steps
        Sizes of the decisions.
    kernel
        Steps that the convolution sees, odd.
    n_heads
        Heads of ``multi_head``.
    dropout
        Share of the addition that is dropped in training.
    """

    def __init__(
        self,
        kind: MixName,
        n_channels: int,
        n_steps: int,
        *,
        kernel: int = 3,
        n_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_channels)
        self.convolution = nn.Conv1d(n_channels, n_channels, kernel, padding=kernel // 2)
        self.attention: ChannelAttention | SqueezeExcite
        if kind == "squeeze_excite":
            self.attention = SqueezeExcite(n_channels)
        else:
            heads = n_heads if kind == "multi_head" else 1
            self.attention = ChannelAttention(n_channels, n_steps, n_heads=heads)
        self.out = nn.Conv1d(n_channels, n_channels, 1, bias=False)
        nn.init.zeros_(self.out.weight)
        self.dropout = nn.Dropout(dropout)

    def forward(self, decisions_nsc: Tensor) -> Tensor:
        """Return the embedding (n, c) of the steps' decisions (n, s, c)."""
        x_ncs = self.norm(decisions_nsc).transpose(1, 2)
        mixed_ncs = self.attention(nn.functional.gelu(self.convolution(x_ncs)))
        added_nc = self.dropout(self.out(mixed_ncs)).sum(2)
        total: Tensor = torch.sum(decisions_nsc, 1) + added_nc
        return total
