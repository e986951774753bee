"""When a run is saved: every so many steps, at its end, and when it is asked to stop."""

from __future__ import annotations

import signal
import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Checkpoint

from sctabnet.train.run_checkpoint_io import RunCheckpointIO
from sctabnet.train.run_interrupted import RunInterrupted
from sctabnet.train.stop_signals import StopSignals

GRACE = 5.0  # seconds that validation may go on after somebody asked the run to stop


class SaveCheckpoints(Checkpoint):
    """Saves between two optimiser steps, where Lightning resumes to the same bits.

    Lightning cannot resume between the last step of an epoch and the end of its validation, so
    the last step is saved after validation; before a validation, the step before the last is saved
    too if the last checkpoint is not recent. Being a ``Checkpoint``, it is the last of the
    callbacks: all others have finished their part of the step.

    Parameters
    ----------
    io
        Writes the checkpoints.
    every
        Steps between checkpoints.
    accumulate
        Minibatches per optimiser step; nothing is saved in the middle of one.
    """

    def __init__(self, io: RunCheckpointIO, *, every: int, accumulate: int) -> None:
        self._io, self._every, self._accumulate = io, every, accumulate
        self._signals = StopSignals()
        self._saved = 0
        self._asked: float | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Count from the checkpoint that was resumed, and take over the signals.

        Lightning's handlers, which are in place by now, would stop without saving.
        """
        self._saved = trainer.global_step
        self._signals.start()
        if trainer.received_sigterm:
            self._signals.received = signal.SIGTERM

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time, and stop if asked to."""
        stop = self._stop_everywhere(trainer)
        left = trainer.num_training_batches - (batch_idx + 1)
        if left == 0 or (batch_idx + 1) % self._accumulate:
            return
        since = trainer.global_step - self._saved
        before_validation = left <= self._accumulate and 2 * since >= self._every
        if stop or since >= self._every or before_validation:
            self._save(trainer)
        if stop:
            self._stop(trainer)

    def on_validation_batch_end(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Wait a little for the end of validation, then give it up."""
        if self._stop_everywhere(trainer):
            self._asked = self._asked or time.monotonic()
            late = time.monotonic() - self._asked > GRACE
            if trainer.strategy.reduce_boolean_decision(late, all=False):
                self._stop(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Save if it is time or the last epoch is over, and stop if asked to."""
        stop = self._stop_everywhere(trainer)
        assert trainer.max_epochs is not None
        over = trainer.should_stop or trainer.current_epoch + 1 >= trainer.max_epochs
        if stop or over or trainer.global_step - self._saved >= self._every:
            self._save(trainer)
        if stop and not over:
            self._stop(trainer)

    def on_exception(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Give the signals back also when training fails."""
        self._signals.end()

    def teardown(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Give the signals back."""
        self._signals.end()

    def _save(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self._io.store.path(trainer.global_step))
        self._saved = trainer.global_step

    def _stop_everywhere(self, trainer: lightning.Trainer) -> bool:
        """Whether any process was asked to stop; all of them answer the same."""
        stop = bool(self._signals.received)
        if trainer.world_size == 1:
            return stop
        return trainer.strategy.reduce_boolean_decision(stop, all=False)

    def _stop(self, trainer: lightning.Trainer) -> None:
        self._io.wait()
        raise RunInterrupted(
            self._signals.received or signal.SIGTERM,
            f"Stopped after step {trainer.global_step}; the checkpoint of step {self._saved} is in "
            f"{self._io.store.folder}. Go on with `sctabnet pretrain --resume "
            f"{self._io.store.folder.parent}`.",
        )
