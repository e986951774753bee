"""Squeeze-and-excite: channels scaled by what all of them average to.

Legend: n cells, c channels, s decision steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    r"""Convolutional channel attention: :math:`X \odot \sigma(W_2 \, \mathrm{ReLU}(W_1 \bar x))`.

    :math:`\bar x` is the average over the decision steps and :math:`W_1, W_2` are 1x1
    convolutions, the first of which narrows the channels.

    Parameters
    ----------
    n_channels
        Channels c.
    reduction
        How much narrower the middle is; it keeps at least four channels.

    Notes
    -----
    Hu, Shen, Sun (2018), "Squeeze-and-Excitation Networks", section 3 (arXiv 1709.01507).
    """

    def __init__(self, n_channels: int, *, reduction: int = 4) -> None:
        super().__init__()
        middle = max(n_channels // reduction, min(n_channels, 4))
        self.squeeze = nn.Conv1d(n_channels, middle, 1)
        self.excite = nn.Conv1d(middle, n_channels, 1)

    def forward(self, x_ncs: Tensor) -> Tensor:
        """Return (n, c, s)."""
        return x_ncs * self.weights(x_ncs)

    def weights(self, x_ncs: Tensor) -> Tensor:
        """Return the scale of each channel, (n, c, 1), between 0 and 1."""
        pooled = x_ncs.mean(2, keepdim=True)
        return torch.sigmoid(self.excite(torch.relu(self.squeeze(pooled))))
