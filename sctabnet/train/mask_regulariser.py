"""What a training step shows to a regulariser of the masks, and what it asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.model.network import Network, Prediction


@dataclass(slots=True)
class TrainingStep:
    """One step of learning labels, with its graph alive.

    Parameters
    ----------
    network
        What is trained.
    original, minibatch
        The cells as read, and as the network saw them (augmented).
    prediction
        What it made of them.
    loss
        Scalar, the loss of the labels.
    x
        (nnz,) normalised values that ``prediction`` was made from.
    wide
        (n, c) logits of the wide path in the loss, or None.
    step, total_steps
        Number of this step from 0, and of all.
    epoch, seed
        Keys of random draws.
    """

    network: Network
    original: Minibatch
    minibatch: Minibatch
    prediction: Prediction
    loss: Tensor
    x: Tensor
    wide: Tensor | None
    step: int
    total_steps: int
    epoch: int
    seed: int


class MaskRegulariser(ABC):
    """A term of the loss that makes attention over genes more trustworthy.

    State that must survive a restart lives in buffers of the network, so that every checkpoint
    holds it.
    """

    def needs_gradient(self, step: int) -> bool:
        """Return whether step number ``step`` must record gradients of the values ``x``."""
        return False

    @abstractmethod
    def __call__(self, step: TrainingStep) -> Tensor | None:
        """Return the term to add to the loss, already weighted; None for nothing."""
