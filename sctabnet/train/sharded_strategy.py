"""Parameters and optimiser state split over all processes (FSDP)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from torch.optim import Optimizer

from sctabnet.train.shard_like import shard_like
from sctabnet.train.whole_state import whole_state


class ShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy for ``fully_shard``, with the checkpoints of every other strategy.

    Lightning's own writes folders of pickles; here whole tensors go through the run's
    ``CheckpointIO``, so a job may be resumed on another number of processes, sharded or not.
    """

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Whether the trainer hands the optimiser's state to :meth:`load_optimizer_state_dict`."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the weights, gathered; a collective."""
        assert self.model is not None
        state: dict[str, Any] = whole_state(self.model.state_dict())
        return state

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the optimiser's state, gathered; a collective."""
        state: dict[str, Any] = whole_state(optimizer.state_dict())
        return state

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return the state that the run's ``CheckpointIO`` kept; every process reads it."""
        state: dict[str, Any] = self.checkpoint_io.load_checkpoint(checkpoint_path)
        return state

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Give every process its part of the weights."""
        assert self.model is not None
        targets = self.model.state_dict()
        state = {
            name: shard_like(value, targets[name]) if name in targets else value
            for name, value in checkpoint["state_dict"].items()
        }
        self.model.load_state_dict(state, strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Give every process its part of the optimiser's state."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            # a moment is as large as its parameter; the count of steps is not
            moments = {
                index: {
                    name: shard_like(value, parameters[index])
                    if isinstance(value, Tensor) and value.shape == parameters[index].shape
                    else value
                    for name, value in moment.items()
                }
                for index, moment in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": moments})
