"""Moving average of the weights, validated and kept in place of the weights themselves."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor

from sctabnet.train.shard_like import shard_like
from sctabnet.train.whole_state import whole_state


class WeightAverage(lightning.Callback):
    r"""Exponential moving average of parameters and buffers.

    After optimiser step t, :math:`\bar w \leftarrow \rho_t \bar w + (1 - \rho_t) w` with
    :math:`\rho_t = \min(\rho, (1 + t) / (10 + t))`, so that the random start is soon forgotten.
    During validation the average stands in for the weights.

    Parameters
    ----------
    decay
        :math:`\rho`.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor] = {}
        self._step = 0

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Begin with the weights as they are, unless a checkpoint brought an average."""
        state = _state(pl_module)
        if self._average:
            self._average = {k: shard_like(v, state[k]) for k, v in self._average.items()}
        else:
            self._average = {name: tensor.clone() for name, tensor in state.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        """Move towards the weights, where the optimiser changed them."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        share = 1 - min(self._decay, (1 + self._step) / (10 + self._step))
        for name, tensor in _state(pl_module).items():
            if tensor.is_floating_point():
                self._average[name].lerp_(tensor, share)
            else:
                self._average[name].copy_(tensor)

    def on_validation_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Put the average in place of the weights."""
        state = _state(pl_module)
        self._weights = {name: tensor.clone() for name, tensor in state.items()}
        _copy(self._average, state)

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Put the weights back."""
        _copy(self._weights, _state(pl_module))
        self._weights = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {"average": whole_state(self._average), "step": self._step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._average, self._step = state_dict["average"], state_dict["step"]


def _state(module: lightning.LightningModule) -> dict[str, Tensor]:
    state: dict[str, Tensor] = module.network.state_dict()  # type: ignore[union-attr]
    return {name: tensor.detach() for name, tensor in state.items()}


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])
