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
            self._bar = tqdm(desc=self._description, unit="step")

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Begin where a resumed run begins."""
        if self._bar is not None:
            self._bar.total = pl_module.total_steps
            self._bar.update(trainer.global_step - self._bar.n)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Advance by a step; the bar itself decides how often it is drawn."""
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Show the losses, and how fast the cells come."""
        if self._bar is not None:
            shown = {
                name: f"{float(value):.4f}"
                for name, value in trainer.callback_metrics.items()
                if name.endswith("loss")
            }
            throughput = trainer.datamodule.throughput()  # type: ignore[attr-defined]
            shown["cells/s"] = f"{throughput['cells_per_s'] * trainer.world_size:,.0f}"
            shown["wait"] = f"{throughput['wait_share']:.0%}"
            self._bar.set_postfix(shown, refresh=False)

    def teardown(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        """Close the bar, also after an error."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
