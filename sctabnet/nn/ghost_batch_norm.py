"""Batch normalisation over small, virtual minibatches.

Legend: n cells (rows), d features, m ghost minibatches, r rows of one ghost minibatch.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_ROWS_IN_CACHE = 512


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
    gated
        Return ``glu`` of the normalised rows. They are computed once more for the gradient instead
        of being kept: a gated layer of TabNet keeps 2/5 less.

    Notes
    -----
    Hoffer, Hubara, Soudry (2017), "Train longer, generalize better", algorithm 1 (arXiv
    1705.08741). Half-precision input is normalised in float32.
    """

    running_mean_d: Tensor
    running_variance_d: Tensor

    def __init__(
        self,
        dim: int,
        ghost_size: int = 128,
        momentum: float = 0.02,
        eps: float = 1e-5,
        *,
        gated: bool = False,
    ) -> None:
        super().__init__()
        self.ghost_size = ghost_size
        self.momentum = momentum
        self.eps = eps
        self.gated = gated
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
        ``(n, d)``, or ``(n, d / 2)`` if gated; dtype of ``x_nd``.
        """
        counted_n1 = None if weights_n is None else (weights_n > 0).to(_wide(x_nd).dtype)[:, None]
        if self.training and self.ghost_size and len(x_nd):
            mean_md, inverse_md, share_m1 = self._statistics(x_nd.detach(), counted_n1)
        else:
            n_chunks, share_m1 = max(1, len(x_nd) // _ROWS_IN_CACHE), None
            mean_md = self.running_mean_d.expand(n_chunks, -1)
            inverse_md = torch.rsqrt(self.running_variance_d + self.eps).expand(n_chunks, -1)
        statistics = (mean_md, inverse_md, share_m1, counted_n1)
        out_nd: Tensor = _Normalise.apply(x_nd, self.weight, self.bias, *statistics, self.gated)
        return out_nd

    @torch.no_grad()
    def _statistics(self, x_nd: Tensor, counted_n1: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return each chunk's mean and inverse deviation, and the share of each of its rows."""
        chunks = x_nd.chunk(ceil(len(x_nd) / self.ghost_size))
        sizes = [len(chunk) for chunk in chunks]
        if counted_n1 is None:
            counted: Sequence[Tensor | None] = [None] * len(chunks)
            count_m1 = self.running_mean_d.new_tensor(sizes)[:, None]
        else:
            counted = counted_n1.split(sizes)
            count_m1 = torch.stack([part.sum(0) for part in counted_n1.split(sizes)])
        divisor_m1, is_enough_m1 = count_m1.clamp(min=1), count_m1 > 1
        means, squares = [], []
        for chunk, counted_r1, divisor_1 in zip(chunks, counted, divisor_m1, strict=True):
            x_rd = _wide(chunk)
            means.append(_sum(x_rd, counted_r1) / divisor_1)
            squares.append(_sum((x_rd - means[-1]).square_(), counted_r1))
        mean_md, squares_md = torch.stack(means), torch.stack(squares)
        variance_md = torch.where(is_enough_m1, squares_md / divisor_m1, self.running_variance_d)
        used_md = torch.where(is_enough_m1, mean_md, self.running_mean_d)
        self._update(mean_md, squares_md, count_m1[:, 0])
        return used_md, torch.rsqrt(variance_md + self.eps), is_enough_m1 / divisor_m1

    def _update(self, mean_md: Tensor, squares_md: Tensor, count_m: Tensor) -> None:
        """Apply ``running = (1 - momentum) running + momentum new`` for all chunks in order."""
        usable_m = (count_m > 1).to(mean_md.dtype)
        kept = 1 - self.momentum
        share_m = self.momentum * kept ** (usable_m.flip(0).cumsum(0).flip(0) - usable_m) * usable_m
        kept_all = kept ** usable_m.sum()
        unbiased_m = share_m / (count_m - 1).clamp(min=1)
        self.running_mean_d.mul_(kept_all).addmv_(mean_md.T, share_m)
        self.running_variance_d.mul_(kept_all).addmv_(squares_md.T, unbiased_m)


def _wide(x_nd: Tensor) -> Tensor:
    return x_nd.float() if x_nd.dtype in (torch.float16, torch.bfloat16) else x_nd


def _sum(x_rd: Tensor, counted_r1: Tensor | None) -> Tensor:
    return (x_rd if counted_r1 is None else x_rd * counted_r1).sum(0)


class _Normalise(torch.autograd.Function):
    r"""Normalise chunk by chunk, each while it is in cache, and keep nothing but the input.

    With :math:`c = x - \mu`, :math:`a = w / \sigma` and the gradient :math:`g` of a row
    :math:`ca + b`, that of the row is :math:`a (g - s (\sum g + c \sigma^{-2} \sum g c))`, where
    :math:`s` is the row's share in the mean and the variance, 0 for a row that is not counted.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_nd: Tensor,
        weight_d: Tensor,
        bias_d: Tensor,
        mean_md: Tensor,
        inverse_md: Tensor,
        share_m1: Tensor | None,
        counted_n1: Tensor | None,
        gated: bool,
    ) -> Tensor:
        scale_md = inverse_md * weight_d
        # in this order it gives the bits of torch's own batch norm
        shift_md = torch.addcmul(bias_d, mean_md, scale_md, value=-1)
        ctx.save_for_backward(x_nd, mean_md, inverse_md, scale_md, shift_md, share_m1, counted_n1)
        ctx.gated, ctx.rows = gated, ceil(len(x_nd) / len(mean_md))
        parts = []
        for x_rd, scale_d, shift_d in zip(
            x_nd.split(ctx.rows or 1), scale_md, shift_md, strict=True
        ):
            normal_rd = torch.addcmul(shift_d, _wide(x_rd), scale_d)
            parts.append((F.glu(normal_rd, 1) if gated else normal_rd).to(x_nd.dtype))
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_nd: Tensor) -> tuple[Tensor | None, ...]:
        x_nd, mean_md, inverse_md, scale_md, shift_md, share_m1, counted_n1 = ctx.saved_tensors
        grad_weight_d, grad_bias_d = torch.zeros_like(mean_md[0]), torch.zeros_like(mean_md[0])
        to_x_nd = torch.empty_like(x_nd)
        for m in range(len(mean_md)):
            chunk = slice(m * ctx.rows, (m + 1) * ctx.rows)
            x_rd, grad_rd, to_x_rd = _wide(x_nd[chunk]), _wide(grad_nd[chunk]), to_x_nd[chunk]
            if ctx.gated:
                normal_rd = torch.addcmul(shift_md[m], x_rd, scale_md[m])
                grad_rd = torch.ops.aten.glu_backward(grad_rd, normal_rd, 1)
            centred_rd = x_rd - mean_md[m]
            sum_d, product_d = grad_rd.sum(0), (grad_rd * centred_rd).sum(0)
            grad_bias_d += sum_d
            grad_weight_d += product_d * inverse_md[m]
            if share_m1 is None:
                to_x_rd.copy_(grad_rd.mul_(scale_md[m]))
                continue
            of_all_d = -share_m1[m] * scale_md[m]
            sent_rd = torch.addcmul(
                of_all_d * sum_d, centred_rd, of_all_d * product_d * inverse_md[m].square()
            )
            if counted_n1 is not None:
                sent_rd *= counted_n1[chunk]
            to_x_rd.copy_(sent_rd.addcmul_(grad_rd, scale_md[m]))
        return to_x_nd, grad_weight_d, grad_bias_d, None, None, None, None, None
