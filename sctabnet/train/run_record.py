"""What one training loop writes into its run folder, and goes on from."""

from __future__ import annotations

from typing import Literal

from lightning.pytorch.loggers.logger import Logger

from sctabnet.model.model import Model
from sctabnet.train.checkpoint_store import CheckpointStore
from sctabnet.train.is_first_process import is_first_process
from sctabnet.train.run_checkpoint_io import RunCheckpointIO
from sctabnet.train.run_folder import RunFolder
from sctabnet.train.run_logger import RunLogger
from sctabnet.train.wandb_record import WandbRecord


class RunRecord:
    """Checkpoints and metrics of a run folder, as a training loop uses them.

    Parameters
    ----------
    folder
        The run folder, held by this process.
    model
        The model that is trained: checkpoints of other genes are refused.
    logger
        ``"wandb"`` writes to Weights & Biases as well.

    Attributes
    ----------
    io
        Writes and reads checkpoints.
    checkpoint
        The newest good one, or None.
    loggers
        Where metrics go.
    """

    def __init__(
        self,
        folder: RunFolder,
        model: Model,
        *,
        logger: Literal["csv", "wandb"] = "csv",
    ) -> None:
        store = CheckpointStore(folder.checkpoints, vocabulary=model.vocabulary.digest)
        if is_first_process():
            store.clean()
        self.io = RunCheckpointIO(store)
        step = store.newest()
        self.checkpoint = None if step is None else str(store.path(step))
        self.loggers: list[Logger] = [RunLogger(folder.metrics, resumed_at=step or 0)]
        wanted = logger == "wandb" and is_first_process()
        self._wandb = WandbRecord(folder.path, folder.recipe()) if wanted else None
        if self._wandb is not None:
            self.loggers.append(self._wandb.logger)

    def finish(self, folder: RunFolder, model: Model) -> None:
        """Tell the log about the finished model in the run folder."""
        if self._wandb is not None:
            self._wandb.finish(folder.model, model.history[-1])
