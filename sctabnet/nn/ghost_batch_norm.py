"""Batch normalisation over small, virtual minibatches.

Legend: n cells (rows), d features, m ghost minibatches, r rows of one ghost minibatch.
"""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GhostBatchNorm(nn.Module):
    """Normalise each ghost minibatch by its own mean and variance, all of them at once.

    In training the rows are split as ``torch.chunk(x, ceil(n / ghost_size))`` splits them, and each
    chunk is normalised by itself; the running statistics are then what visiting the chunks one
    after the other would leave, with the unbiased variance. In evaluation the running statistics
    normalise every row.

    Rows of weight 0 (padding) enter no statistic. A chunk with fewer than two counted rows has no
    variance of its own: the running statistics normalise it and it changes none of them, so a
    minibatch of a single cell works.

    Parameters
    ----------
    dim
        Number of features ``d``.
    ghost_size
        Largest number of rows normalised together.
    momentum
        Share of the newest chunk in the running statistics.
    eps
        Added to the variance.

    Notes
    -----
    Hoffer, Hubara, Soudry (2017), "Train longer, generalize better", algorithm 1 (arXiv
    1705.08741). Half-precision input is normalised in float32.
    """

    running_mean_d: Tensor
    running_variance_d: Tensor

    def __init__(
        self, dim: int, ghost_size: int = 128, momentum: float = 0.02, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.ghost_size = ghost_size
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("running_mean_d", torch.zeros(dim))
        self.register_buffer("running_variance_d", torch.ones(dim))

    def forward(self, x_nd: Tensor, weights_n: Tensor | None = None) -> Tensor:
        """Return the normalised rows.

        Parameters
        ----------
        x_nd
            Float ``(n, d)``.
        weights_n
            ``(n,)``; a row of weight 0 is normalised but not counted. ``None`` counts every row.

        Returns
        -------
        ``(n, d)``, dtype of ``x_nd``.
        """
        x32_nd = x_nd.float() if x_nd.dtype in (torch.float16, torch.bfloat16) else x_nd
        if self.training and len(x_nd) > 0:
            return self._by_ghost(x32_nd, weights_n).to(x_nd.dtype)
        out_nd = F.batch_norm(
            x32_nd,
            self.running_mean_d,
            self.running_variance_d,
            self.weight,
            self.bias,
            training=False,
            eps=self.eps,
        )
        return out_nd.to(x_nd.dtype)

    def _by_ghost(self, x_nd: Tensor, weights_n: Tensor | None) -> Tensor:
        n, d = x_nd.shape
        rows = ceil(n / ceil(n / self.ghost_size))
        n_ghosts = ceil(n / rows)
        n_padding = n_ghosts * rows - n
        counted_n = x_nd.new_ones(n) if weights_n is None else (weights_n > 0).to(x_nd.dtype)
        x_mrd = F.pad(x_nd, (0, 0, 0, n_padding)).view(n_ghosts, rows, d)
        counted_mr1 = F.pad(counted_n, (0, n_padding)).view(n_ghosts, rows, 1)

        count_m11 = counted_mr1.sum(1, keepdim=True)
        mean_m1d = (x_mrd * counted_mr1).sum(1, keepdim=True) / count_m11.clamp(min=1)
        centred_mrd = x_mrd - mean_m1d
        squares_m1d = (centred_mrd.square() * counted_mr1).sum(1, keepdim=True)
        variance_m1d = squares_m1d / count_m11.clamp(min=1)

        usable_m11 = count_m11 > 1
        out_mrd = torch.where(usable_m11, centred_mrd, x_mrd - self.running_mean_d)
        spread_m1d = torch.where(usable_m11, variance_m1d, self.running_variance_d)
        scale_m1d = self.weight * torch.rsqrt(spread_m1d + self.eps)
        self._update(mean_m1d, squares_m1d, count_m11)
        return (out_mrd * scale_m1d + self.bias).view(-1, d)[:n]

    @torch.no_grad()
    def _update(self, mean_m1d: Tensor, squares_m1d: Tensor, count_m11: Tensor) -> None:
        """Apply ``running = (1 - momentum) running + momentum new`` for all chunks in order."""
        usable_m1 = (count_m11 > 1).to(mean_m1d.dtype).view(-1, 1)
        later_m1 = usable_m1.flip(0).cumsum(0).flip(0) - usable_m1
        share_m1 = self.momentum * (1 - self.momentum) ** later_m1 * usable_m1
        kept = (1 - self.momentum) ** usable_m1.sum()
        unbiased_md = squares_m1d[:, 0] / (count_m11[:, 0] - 1).clamp(min=1)
        self.running_mean_d.mul_(kept).add_((share_m1 * mean_m1d[:, 0]).sum(0))
        self.running_variance_d.mul_(kept).add_((share_m1 * unbiased_md).sum(0))
