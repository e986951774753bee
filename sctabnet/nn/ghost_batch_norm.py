"""Batch normalisation over small, virtual minibatches.

Legend: n cells (rows), d features, m ghost minibatches, r rows of one ghost minibatch.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_ROWS_IN_CACHE = 512
_IN_TURN = "cpu"  # the kind of device whose cache holds a chunk


class GhostBatchNorm(nn.Module):
    """Normalise each ghost minibatch by its own mean and variance.

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
        x_nd = x_nd.contiguous()
        counted_n1 = None if weights_n is None else (weights_n > 0).to(_wide(x_nd).dtype)[:, None]
        if self.training and self.ghost_size and len(x_nd):
            mean_md, inverse_md, share_m1 = self._statistics(x_nd.detach(), counted_n1)
        else:
            n_chunks, share_m1 = _n_chunks(len(x_nd), _ROWS_IN_CACHE), None
            mean_md = self.running_mean_d.expand(n_chunks, -1)
            inverse_md = torch.rsqrt(self.running_variance_d + self.eps).expand(n_chunks, -1)
        statistics = (mean_md, inverse_md, share_m1, counted_n1)
        out_nd: Tensor = _Normalise.apply(x_nd, self.weight, self.bias, *statistics, self.gated)
        return out_nd

    @torch.no_grad()
    def _statistics(self, x_nd: Tensor, counted_n1: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return each chunk's mean and inverse deviation, and the share of each of its rows."""
        counts, means, squares = [], [], []
        for rows, chunks in _parts(x_nd, _n_chunks(len(x_nd), self.ghost_size)):
            x_mrd = _wide(_stacked(x_nd[rows], chunks))
            if counted_n1 is None:
                count_m1 = x_mrd.new_full((len(x_mrd), 1), x_mrd.shape[1])
                mean_m1d = x_mrd.mean(1, keepdim=True)
                squares_md = (x_mrd - mean_m1d).square_().sum(1)
            else:
                counted_mr1 = _stacked(counted_n1[rows], chunks)
                count_m1 = counted_mr1.sum(1)
                total_m1d = (x_mrd * counted_mr1).sum(1, keepdim=True)
                mean_m1d = total_m1d / count_m1.clamp(min=1)[:, None]
                squares_md = (x_mrd - mean_m1d).square_().mul_(counted_mr1).sum(1)
            counts.append(count_m1)
            means.append(mean_m1d[:, 0])
            squares.append(squares_md)
        count_m1, mean_md, squares_md = (torch.cat(found) for found in (counts, means, squares))
        divisor_m1, is_enough_m1 = count_m1.clamp(min=1), count_m1 > 1
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


def _n_chunks(n: int, most_rows: int) -> int:
    """Return how many chunks ``torch.chunk(x, ceil(n / most_rows))`` gives, 1 for no rows."""
    rows = ceil(n / max(1, ceil(n / most_rows)))
    return max(1, ceil(n / max(1, rows)))


def _parts(x_nd: Tensor, n_chunks: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and the chunks to be worked on at once: one chunk, while it is in cache.

    On other devices than the CPU all chunks of one size: few large kernels beat many small ones.
    """
    n = len(x_nd)
    rows = ceil(n / n_chunks)
    n_full = n // rows if rows else 1
    at_once = 1 if x_nd.device.type == _IN_TURN else n_full
    for first in range(0, n_full, at_once):
        last = min(first + at_once, n_full)
        yield slice(first * rows, last * rows), slice(first, last)
    if n_full < n_chunks:
        yield slice(n_full * rows, n), slice(n_full, n_chunks)


def _stacked(x_nd: Tensor, chunks: slice) -> Tensor:
    n_chunks = chunks.stop - chunks.start
    return x_nd.view(n_chunks, len(x_nd) // n_chunks, x_nd.shape[1])


class _Normalise(torch.autograd.Function):
    r"""Normalise the chunks and keep nothing but the input.

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
        ctx.gated = gated
        out = []
        for rows, chunks in _parts(x_nd, len(mean_md)):
            x_mrd = _wide(_stacked(x_nd[rows], chunks))
            normal_mrd = torch.addcmul(shift_md[chunks, None], x_mrd, scale_md[chunks, None])
            normal_mrd = F.glu(normal_mrd, 2) if gated else normal_mrd
            out.append(normal_mrd.flatten(0, 1).to(x_nd.dtype))
        return torch.cat(out) if len(out) > 1 else out[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_nd: Tensor) -> tuple[Tensor | None, ...]:
        x_nd, mean_md, inverse_md, scale_md, shift_md, share_m1, counted_n1 = ctx.saved_tensors
        grad_nd = grad_nd.contiguous()
        grad_weight_d, grad_bias_d = torch.zeros_like(mean_md[0]), torch.zeros_like(mean_md[0])
        to_x_nd = torch.empty_like(x_nd)
        for rows, chunks in _parts(x_nd, len(mean_md)):
            x_mrd, grad_mrd, to_x_mrd = (
                _stacked(t[rows], chunks) for t in (x_nd, grad_nd, to_x_nd)
            )
            x_mrd, grad_mrd = _wide(x_mrd), _wide(grad_mrd)
            scale_m1d, inverse_m1d = scale_md[chunks, None], inverse_md[chunks, None]
            if ctx.gated:
                normal_mrd = torch.addcmul(shift_md[chunks, None], x_mrd, scale_m1d)
                grad_mrd = torch.ops.aten.glu_backward(grad_mrd, normal_mrd, 2)
            centred_mrd = x_mrd - mean_md[chunks, None]
            sum_m1d = grad_mrd.sum(1, keepdim=True)
            product_m1d = (grad_mrd * centred_mrd).sum(1, keepdim=True)
            grad_bias_d += sum_m1d.sum((0, 1))
            grad_weight_d += (product_m1d * inverse_m1d).sum((0, 1))
            if share_m1 is None:
                to_x_mrd.copy_(grad_mrd * scale_m1d)
                continue
            of_all_m1d = -share_m1[chunks, None] * scale_m1d
            sent_mrd = torch.addcmul(
                of_all_m1d * sum_m1d, centred_mrd, of_all_m1d * product_m1d * inverse_m1d.square()
            )
            if counted_n1 is not None:
                sent_mrd *= _stacked(counted_n1[rows], chunks)
            to_x_mrd.copy_(sent_mrd.addcmul_(grad_mrd, scale_m1d))
        return to_x_nd, grad_weight_d, grad_bias_d, None, None, None, None, None
