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
        Largest number of rows normalised together. 0 takes no statistics: scale and shift are left.
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
        if not self.training or self.ghost_size == 0 or len(x_nd) == 0:
            return self._native(x32_nd, training=False).to(x_nd.dtype)
        chunks = x32_nd.chunk(ceil(len(x_nd) / self.ghost_size))
        if weights_n is None and len(chunks[-1]) > 1:
            normal = [self._native(chunk_rd, training=True) for chunk_rd in chunks]
            out_nd = torch.cat(normal) if len(normal) > 1 else normal[0]
        else:
            counted_n = x32_nd.new_ones(len(x_nd)) if weights_n is None else weights_n > 0
            out_nd = self._counted(x32_nd, counted_n.to(x32_nd.dtype), len(chunks))
        return out_nd.to(x_nd.dtype)

    def _native(self, x_rd: Tensor, *, training: bool) -> Tensor:
        return F.batch_norm(
            x_rd,
            self.running_mean_d,
            self.running_variance_d,
            self.weight,
            self.bias,
            training=training,
            momentum=self.momentum,
            eps=self.eps,
        )

    def _counted(self, x_nd: Tensor, counted_n: Tensor, n_chunks: int) -> Tensor:
        n, d = x_nd.shape
        rows = ceil(n / n_chunks)
        n_padding = n_chunks * rows - n
        out_mrd: Tensor = _NormaliseCounted.apply(
            F.pad(x_nd, (0, 0, 0, n_padding)).view(n_chunks, rows, d),
            F.pad(counted_n, (0, n_padding)).view(n_chunks, rows, 1),
            self.weight,
            self.bias,
            self,
        )
        return out_mrd.view(-1, d)[:n]

    def _update(self, mean_md: Tensor, squares_md: Tensor, count_m: Tensor) -> None:
        """Apply ``running = (1 - momentum) running + momentum new`` for all chunks in order."""
        usable_m = (count_m > 1).to(mean_md.dtype)
        kept = 1 - self.momentum
        share_m = self.momentum * kept ** (usable_m.flip(0).cumsum(0).flip(0) - usable_m) * usable_m
        kept_all = kept ** usable_m.sum()
        unbiased_m = share_m / (count_m - 1).clamp(min=1)
        self.running_mean_d.mul_(kept_all).addmv_(mean_md.T, share_m)
        self.running_variance_d.mul_(kept_all).addmv_(squares_md.T, unbiased_m)


class _NormaliseCounted(torch.autograd.Function):
    """Normalise all chunks at once, each by the statistics of its counted rows.

    One function, in few passes over the rows: left to autograd, the formula takes twice as long.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_mrd: Tensor,
        counted_mr1: Tensor,
        weight_d: Tensor,
        bias_d: Tensor,
        norm: GhostBatchNorm,
    ) -> Tensor:
        count_m11 = counted_mr1.sum(1, keepdim=True)
        divisor_m11 = count_m11.clamp(min=1)
        usable_m11 = count_m11 > 1
        mean_m1d = (x_mrd * counted_mr1).sum(1, keepdim=True) / divisor_m11
        normal_mrd = x_mrd - torch.where(usable_m11, mean_m1d, norm.running_mean_d)
        squares_m1d = (normal_mrd * normal_mrd * counted_mr1).sum(1, keepdim=True)
        variance_m1d = torch.where(usable_m11, squares_m1d / divisor_m11, norm.running_variance_d)
        inverse_m1d = torch.rsqrt(variance_m1d + norm.eps)
        normal_mrd *= inverse_m1d
        received_mr1 = counted_mr1 * (usable_m11 / divisor_m11)
        ctx.save_for_backward(normal_mrd, inverse_m1d, received_mr1, weight_d)
        norm._update(mean_m1d[:, 0], squares_m1d[:, 0], count_m11[:, 0, 0])
        return (normal_mrd * weight_d).add_(bias_d)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mrd: Tensor) -> tuple[Tensor | None, ...]:
        normal_mrd, inverse_m1d, received_mr1, weight_d = ctx.saved_tensors
        grad_bias_m1d = grad_mrd.sum(1, keepdim=True)
        grad_weight_m1d = (grad_mrd * normal_mrd).sum(1, keepdim=True)
        # What the rows of a chunk send to each row that its mean and variance were taken from.
        sent_mrd = (normal_mrd * grad_weight_m1d).add_(grad_bias_m1d).mul_(received_mr1)
        grad_x_mrd = torch.sub(grad_mrd, sent_mrd, out=sent_mrd).mul_(inverse_m1d * weight_d)
        return grad_x_mrd, None, grad_weight_m1d.sum((0, 1)), grad_bias_m1d.sum((0, 1)), None
