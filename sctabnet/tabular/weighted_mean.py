"""The mean of a minibatch's losses."""

from __future__ import annotations

from torch import Tensor

from sctabnet._errors import InputError


def weighted_mean(losses: Tensor, weights_n: Tensor | None) -> Tensor:
    """Return the mean of a loss that gives one number per row, or the loss if it is a mean."""
    if losses.dim() > 1:
        losses = losses.flatten(1).mean(1)
    if weights_n is None:
        return losses.mean()
    if losses.dim() == 0:
        raise InputError(
            "Weights need one loss per row. Found a loss function that returns one number. "
            "Return a tensor of shape (n,), for example with reduction='none'."
        )
    # Weights have mean 1 over the table, so that a minibatch of light rows moves little.
    return (losses * weights_n).mean()
