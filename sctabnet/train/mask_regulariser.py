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
    step, total_steps
        Number of this step from 0, and of all.
    epoch, seed
        Keys of random draws.
    """

    network: Network
    original: Minibatch
    minibatch: Minibatch
    prediction: Prediction
    step: int
    total_steps: int
    epoch: int
    seed: int


class MaskRegulariser(ABC):
    """A term of the loss that makes attention over genes more trustworthy.

    State that must survive a restart lives in buffers of the network, so that every checkpoint
    holds it. ``name`` is what its term is called in the record of the training.
    """

    name: str

    @abstractmethod
    def __call__(self, step: TrainingStep) -> Tensor | float:
        """Return the weighted term to add to the loss."""
