"""Feature permutation, read literally: shuffle the columns and ask for the same answer.

Legend: n rows, g columns, s decision steps, c outputs of a task.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from sctabnet.nn.dense_tabnet import DenseOutput, DenseTabNet


def feature_permutation(
    network: DenseTabNet, x_ng: Tensor, plain: DenseOutput, order_g: Tensor
) -> Tensor:
    r"""Return how much outputs and masks change when the columns are permuted.

    .. math::
        \sum_t \mathrm{mean}\,(f_t(x_{\pi}) - f_t(x))^2 +
        \mathrm{mean}_{s}\,(m^s(x_{\pi})_{\pi^{-1}} - m^s(x))^2

    In front of a fixed linear layer this is a ridge penalty on everything that tells the columns
    apart: in expectation over all permutations it is zero only where every column has the same
    weights. It is here as an arm to be measured, not as advice.

    Parameters
    ----------
    network
        Trained, in place. The pass over permuted columns leaves its running statistics alone: they
        describe the columns in their own places.
    x_ng
        (n, g), numeric columns only.
    plain
        The network's output for ``x_ng``, with its graph.
    order_g
        int64 (g,), the permutation.
    """
    aside = {name: buffer.clone() for name, buffer in network.named_buffers()}
    other: DenseOutput = functional_call(network, aside, (x_ng[:, order_g],))
    back_g = torch.argsort(order_g)
    masks_sng = other.masks_sng[:, :, back_g]
    change = (masks_sng - plain.masks_sng).square().mean()
    for mine, theirs in zip(plain.outputs, other.outputs, strict=True):
        change = change + (theirs - mine).square().mean()
    return change
