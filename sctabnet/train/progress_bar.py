"""One line of progress for a whole training run."""

from __future__ import annotations

from typing import Any

import lightning
from tqdm.auto import tqdm


class ProgressBar(lightning.Callback):
    """A single bar over all epochs, with the latest losses.

    Lightning's own bar starts anew for every epoch and validation, which on small data is more
    bar than training.

    Parameters
    ----------
    description
        What is trained.
    """

    def __init__(self, description: str) -> None:
        self._description = description
        self._bar: tqdm[Any] | None = None

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Open the bar, on the first process only."""
        if trainer.is_global_zero:
            self._bar = tqdm(total=trainer.max_epochs, desc=self._description, unit="epoch")

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Advance by an epoch."""
        if self._bar is not None:
            losses = {
                name: f"{float(value):.4f}"
                for name, value in trainer.callback_metrics.items()
                if name.endswith("loss")
            }
            self._bar.set_postfix(losses, refresh=False)
            self._bar.update()

    def teardown(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """Close the bar, also after an error."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
