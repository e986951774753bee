from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray

from sctabnet.data.corpus import Corpus
from sctabnet.data.epoch_loader import EpochLoader
from sctabnet.data.minibatch import Minibatch

_LOG_EVERY = 50  # steps, Lightning's own default


class CorpusDataModule(LightningDataModule):
    """Feeds a corpus to a Lightning trainer, on any number of processes.

    The trainer must not insert a sampler (``use_distributed_sampler`` has no effect on it). Its
    state goes into the trainer's checkpoint. Every 50 steps it logs
    ``data/cells_per_s`` (of one process) and ``data/wait_share``.

    Parameters
    ----------
    corpus
        Where the cells come from.
    train_rows, valid_rows
        Cells to train on (by default all) and to validate on (by default none), ascending.
    minibatch_size
        Cells of a minibatch over all processes together; a multiple of their number.
    seed
        Key of the order of cells.
    balance
        int64 (n_cells,): draw every class of these codes equally often in training.
    memory_limit
        Bytes that a window and its minibatches may take in each process.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        train_rows: NDArray[np.int64] | None = None,
        valid_rows: NDArray[np.int64] | None = None,
        minibatch_size: int = 1024,
        seed: int = 0,
        balance: NDArray[np.int64] | None = None,
        memory_limit: int | None = None,
    ) -> None:
        super().__init__()
        self._corpus = corpus
        self._train_rows, self._valid_rows = train_rows, valid_rows
        self._minibatch_size, self._seed = minibatch_size, seed
        self._balance, self._memory_limit = balance, memory_limit
        self._train: EpochLoader | None = None
        self._state: dict[str, Any] | None = None

    def train_dataloader(self) -> EpochLoader:
        """Return the training minibatches of this process."""
        self._train = self._loader(self._train_rows, balance=self._balance)
        if self._state is not None:
            self._train.load_state_dict(self._state)
            self._state = None
        elif self.trainer is not None:
            self._train.start_epoch(self.trainer.current_epoch)
        return self._train

    def val_dataloader(self) -> EpochLoader | list[Any]:
        """Return the validation minibatches of this process, the same in every epoch."""
        if self._valid_rows is None or not len(self._valid_rows):
            return []
        return self._loader(self._valid_rows, reshuffle=False)

    def throughput(self) -> dict[str, float]:
        """Return cells per second and the share of time that training waited for data."""
        assert self._train is not None
        return self._train.throughput()

    def where(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the file of each row of the corpus and its number there, in words."""
        files = self._corpus.files_of(rows)
        first = np.cumsum([0, *(source.n_cells for source in self._corpus.sources)])
        names = self._corpus.files
        return [f"{names[f]} row {row - first[f]}" for f, row in zip(files, rows, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return where training is: epoch, step and what the order depends on."""
        return self._train.state_dict() if self._train is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the state was taken, on this number of processes.

        Raises
        ------
        ValueError
            If the data or settings are not those of the state.
        """
        if self._train is not None:
            self._train.load_state_dict(state_dict)
        else:
            self._state = state_dict or None

    def transfer_batch_to_device(
        self, batch: Minibatch, device: torch.device, dataloader_idx: int
    ) -> Minibatch:
        """Copy a minibatch to the device, and log the throughput from time to time."""
        trainer = self.trainer
        if trainer is not None and trainer.training and trainer.loggers:
            step = trainer.global_step
            if step and step % _LOG_EVERY == 0:
                metrics = {f"data/{name}": value for name, value in self.throughput().items()}
                for logger in trainer.loggers:
                    logger.log_metrics(metrics, step=step)
        return batch.to(device, non_blocking=True)

    def _loader(
        self,
        rows: NDArray[np.int64] | None,
        *,
        balance: NDArray[np.int64] | None = None,
        reshuffle: bool = True,
    ) -> EpochLoader:
        rank, world_size = 0, 1
        finish: Callable[[Minibatch], Minibatch] | None = None
        if self.trainer is not None:
            rank, world_size = self.trainer.global_rank, self.trainer.world_size
            finish = (
                Minibatch.pin_memory if self.trainer.strategy.root_device.type == "cuda" else None
            )
        return EpochLoader(
            self._corpus,
            rows,
            minibatch_size=self._minibatch_size,
            seed=self._seed,
            rank=rank,
            world_size=world_size,
            balance=balance,
            reshuffle=reshuffle,
            memory_limit=self._memory_limit,
            finish=finish,
        )
