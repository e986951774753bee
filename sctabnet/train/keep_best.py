"""Keep the best weights, and stop when they are no longer beaten."""

from __future__ import annotations

import copy
import math
from typing import Any

import lightning
from torch import Tensor

from sctabnet.train.whole_state import whole_state


class KeepBest(lightning.Callback):
    """Keep the weights of the epoch with the lowest validation loss in memory.

    Parameters
    ----------
    patience
        Epochs without a lower loss before training stops; a loss that is no number stops it too.

    Attributes
    ----------
    loss, epoch, weights
        Of the best epoch; None as weights if there was none.
    epochs
        Epochs validated so far.
    """

    def __init__(self, patience: int) -> None:
        self.loss, self.epoch, self.epochs = float("inf"), -1, 0
        self.weights: dict[str, Tensor] | None = None
        self._patience = patience

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Stop a run that was interrupted after its last epoch."""
        self._stop_if_worn_out(trainer)

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Compare the epoch with the best."""
        loss = float(trainer.callback_metrics["val_loss"])
        self.epochs += 1
        if loss < self.loss:
            self.loss, self.epoch = loss, trainer.current_epoch
            self.weights = copy.deepcopy(whole_state(pl_module.network.state_dict()))  # type: ignore[union-attr]
        if not math.isfinite(loss):
            trainer.should_stop = True
        self._stop_if_worn_out(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {name: getattr(self, name) for name in ("loss", "epoch", "epochs", "weights")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name, value in state_dict.items():
            setattr(self, name, value)

    def _stop_if_worn_out(self, trainer: lightning.Trainer) -> None:
        if self.epochs - (self.epoch + 1) >= self._patience:
            trainer.should_stop = True
