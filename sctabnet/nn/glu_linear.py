"""The linear map of a gated linear unit, with TabNet's initial weights."""

from __future__ import annotations

from torch import nn


def glu_linear(n_in: int, width: int) -> nn.Linear:
    """Return a bias-free map ``n_in -> 2 * width`` (value half, gate half).

    Weights are normal with variance ``2 / sqrt(n_in)``: Xavier with pytorch-tabnet's gain
    ``sqrt((n_in + n_out) / sqrt(n_in))``. Where a batch norm follows, the scale sets only
    how fast the direction of a row learns; without one (``ghost_size=0``) values grow twofold from
    layer to layer.
    """
    linear = nn.Linear(n_in, 2 * width, bias=False)
    nn.init.normal_(linear.weight, std=2**0.5 * n_in**-0.25)
    return linear
