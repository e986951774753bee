"""Batch normalisation over small, virtual minibatches.

Legend: n cells (rows), d features, m ghost minibatches, r rows of one ghost minibatch.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
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
        counted_mr1 = None
        if weights_n is not None or n_padding or rows == 1:
            counted_n = x_nd.new_ones(n) if weights_n is None else (weights_n > 0).to(x_nd.dtype)
            counted_mr1 = F.pad(counted_n, (0, n_padding)).view(n_ghosts, rows, 1)
        if n_padding:
            x_nd = F.pad(x_nd, (0, 0, 0, n_padding))
        out_mrd: Tensor = _Normalise.apply(  # type: ignore[no-untyped-call]
            x_nd.view(n_ghosts, rows, d), self.weight, self.bias, counted_mr1, self
        )
        out_nd = out_mrd.view(-1, d)
        return out_nd[:n] if n_padding else out_nd

    def _update(self, mean_md: Tensor, squares_md: Tensor, count_m: Tensor | int) -> None:
        """Apply ``running = (1 - momentum) running + momentum new`` for all chunks in order."""
        kept = 1 - self.momentum
        if isinstance(count_m, int):
            n_ghosts = len(mean_md)
            share_m = mean_md.new_tensor([kept**later for later in reversed(range(n_ghosts))])
            kept_all: float | Tensor = kept**n_ghosts
            unbiased_m = share_m / (count_m - 1)
        else:
            usable_m = (count_m > 1).to(mean_md.dtype)
            share_m = kept ** (usable_m.flip(0).cumsum(0).flip(0) - usable_m) * usable_m
            kept_all = kept ** usable_m.sum()
            unbiased_m = share_m / (count_m - 1).clamp(min=1)
        new = self.momentum
        self.running_mean_d.mul_(kept_all).addmv_(mean_md.T, share_m, alpha=new)
        self.running_variance_d.mul_(kept_all).addmv_(squares_md.T, unbiased_m, alpha=new)


class _Normalise(torch.autograd.Function):
    """Normalise all chunks in few passes over the rows, and as few back.

    Left to autograd, the same formula takes longer than a loop over ``nn.BatchNorm1d``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_mrd: Tensor,
        weight_d: Tensor,
        bias_d: Tensor,
        counted_mr1: Tensor | None,
        norm: GhostBatchNorm,
    ) -> Tensor:
        rows = x_mrd.shape[1]
        if counted_mr1 is None:
            mean_m1d = x_mrd.mean(1, keepdim=True)
            normal_mrd = x_mrd - mean_m1d
            squares_m1d = (normal_mrd * normal_mrd).sum(1, keepdim=True)
            variance_m1d = squares_m1d / rows
            ctx.received = 1 / rows
            norm._update(mean_m1d[:, 0], squares_m1d[:, 0], rows)
        else:
            count_m11 = counted_mr1.sum(1, keepdim=True)
            divisor_m11 = count_m11.clamp(min=1)
            usable_m11 = count_m11 > 1
            mean_m1d = (x_mrd * counted_mr1).sum(1, keepdim=True) / divisor_m11
            centre_m1d = torch.where(usable_m11, mean_m1d, norm.running_mean_d)
            normal_mrd = x_mrd - centre_m1d
            squares_m1d = (normal_mrd * normal_mrd * counted_mr1).sum(1, keepdim=True)
            variance_m1d = torch.where(
                usable_m11, squares_m1d / divisor_m11, norm.running_variance_d
            )
            ctx.received = counted_mr1 * (usable_m11 / divisor_m11)
            norm._update(mean_m1d[:, 0], squares_m1d[:, 0], count_m11[:, 0, 0])
        inverse_m1d = torch.rsqrt(variance_m1d + norm.eps)
        normal_mrd *= inverse_m1d
        ctx.save_for_backward(normal_mrd, inverse_m1d, weight_d)
        return (normal_mrd * weight_d).add_(bias_d)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mrd: Tensor) -> tuple[Tensor | None, ...]:
        normal_mrd, inverse_m1d, weight_d = ctx.saved_tensors
        grad_bias_m1d = grad_mrd.sum(1, keepdim=True)
        grad_weight_m1d = (grad_mrd * normal_mrd).sum(1, keepdim=True)
        # What the rows of a chunk send to each row that its mean and variance were taken from.
        sent_mrd = (normal_mrd * grad_weight_m1d).add_(grad_bias_m1d).mul_(ctx.received)
        grad_x_mrd = torch.sub(grad_mrd, sent_mrd, out=sent_mrd).mul_(inverse_m1d * weight_d)
        return grad_x_mrd, grad_weight_m1d.sum((0, 1)), grad_bias_m1d.sum((0, 1)), None, None
