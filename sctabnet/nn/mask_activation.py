"""Softmax, 1.5-entmax and sparsemax of dense rows.

Legend: n cells (rows), g genes (or columns of a table).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

MaskName = Literal["softmax", "entmax15", "sparsemax"]


def mask_activation(logits_ng: Tensor, mask: MaskName) -> Tensor:
    """Map each row to a probability vector, sparse for entmax15 and sparsemax.

    Exact (one sort per row, no iteration), with the exact Jacobian; entries outside a row's support
    receive a gradient of exactly zero. Entries of ``-inf`` get mass 0. Half-precision logits are
    computed in, and returned as, float32.

    Parameters
    ----------
    logits_ng
        Float ``(n, g)``.
    mask
        ``"softmax"``, ``"entmax15"`` or ``"sparsemax"``: alpha-entmax with alpha 1, 1.5, 2.

    Returns
    -------
    ``(n, g)``; rows are non-negative and sum to 1.

    Notes
    -----
    Martins and Astudillo (2016), algorithm 1, for sparsemax; Peters, Niculae and Martins (2019),
    algorithm 2 and equation 14, for entmax15.
    """
    if logits_ng.dtype in (torch.float16, torch.bfloat16):
        logits_ng = logits_ng.float()
    if mask == "softmax":
        return torch.softmax(logits_ng, dim=1)
    function = _Sparsemax if mask == "sparsemax" else _Entmax15
    out_ng: Tensor = function.apply(logits_ng)
    return out_ng


def _descending(logits_ng: Tensor) -> Tensor:
    if logits_ng.device.type == "cpu":
        # numpy sorts short rows ten times as fast as torch does
        return -torch.from_numpy(np.sort(-logits_ng.numpy(), axis=1))
    return torch.sort(logits_ng, dim=1, descending=True).values


def _ranks(sorted_ng: Tensor) -> Tensor:
    return torch.arange(1, sorted_ng.shape[1] + 1, dtype=sorted_ng.dtype, device=sorted_ng.device)


class _Sparsemax(torch.autograd.Function):
    """``max(z - tau, 0)`` with the tau that makes a row sum to 1."""

    @staticmethod
    def forward(ctx: Any, logits_ng: Tensor) -> Tensor:
        sorted_ng = _descending(logits_ng)
        # Shifted by the row's maximum so that large logits lose no digits in the running sum.
        top_n1 = sorted_ng[:, :1]
        sorted_ng = sorted_ng - top_n1
        excess_ng = sorted_ng.cumsum(1) - 1
        support_n1 = (_ranks(sorted_ng) * sorted_ng > excess_ng).sum(1, keepdim=True)
        tau_n1 = excess_ng.gather(1, support_n1 - 1) / support_n1
        out_ng = (logits_ng - top_n1 - tau_n1).clamp(min=0)
        ctx.save_for_backward(out_ng)
        return out_ng

    @staticmethod
    def backward(ctx: Any, grad_ng: Tensor) -> Tensor:
        (out_ng,) = ctx.saved_tensors
        inside_ng = out_ng > 0
        grad_ng = grad_ng * inside_ng
        mean_n1 = grad_ng.sum(1, keepdim=True) / inside_ng.sum(1, keepdim=True)
        return grad_ng - mean_n1 * inside_ng


class _Entmax15(torch.autograd.Function):
    """``max(z / 2 - tau, 0) ** 2`` with the tau that makes a row sum to 1."""

    @staticmethod
    def forward(ctx: Any, logits_ng: Tensor) -> Tensor:
        sorted_ng = _descending(logits_ng)
        top_n1 = sorted_ng[:, :1]
        sorted_ng = (sorted_ng - top_n1) / 2
        ranks_g = _ranks(sorted_ng)
        mean_ng = sorted_ng.cumsum(1) / ranks_g
        spread_ng = ranks_g * (sorted_ng.square().cumsum(1) / ranks_g - mean_ng.square())
        tau_ng = mean_ng - ((1 - spread_ng) / ranks_g).clamp(min=0).sqrt()
        support_n1 = (tau_ng <= sorted_ng).sum(1, keepdim=True)
        tau_n1 = tau_ng.gather(1, support_n1 - 1)
        out_ng = ((logits_ng - top_n1) / 2 - tau_n1).clamp(min=0).square()
        ctx.save_for_backward(out_ng)
        return out_ng

    @staticmethod
    def backward(ctx: Any, grad_ng: Tensor) -> Tensor:
        (out_ng,) = ctx.saved_tensors
        root_ng = out_ng.sqrt()
        grad_ng = grad_ng * root_ng
        return grad_ng - grad_ng.sum(1, keepdim=True) / root_ng.sum(1, keepdim=True) * root_ng
