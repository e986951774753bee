"""Run Lightning over the cells of a corpus and keep the best weights."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping
from numpy.typing import NDArray
from torch import Tensor

from sctabnet._settings import settings
from sctabnet.data.corpus import Corpus
from sctabnet.data.datamodule import CorpusDataModule
from sctabnet.model.network import Network
from sctabnet.train.lightning_network import LightningNetwork
from sctabnet.train.progress_bar import ProgressBar
from sctabnet.train.reduce_running_statistics import ReduceRunningStatistics
from sctabnet.train.trainer_config import TrainerConfig


def fit(
    network: Network,
    corpus: Corpus,
    *,
    task: Literal["reconstruct", "labels"],
    train_rows: NDArray[np.int64],
    validation_rows: NDArray[np.int64],
    config: TrainerConfig,
    seed: int,
    wide_out_of_fold: Tensor | None = None,
) -> dict[str, Any]:
    """Train ``network`` in place and leave it at its best epoch.

    Parameters
    ----------
    network
        Trained in place; ends in evaluation mode with the weights of the epoch that had the
        lowest loss on the validation cells.
    corpus
        Where the cells are read from.
    task, config, seed, wide_out_of_fold
        See :class:`~sctabnet.train.lightning_network.LightningNetwork`.
    train_rows, validation_rows
        int64 row ids in the corpus, disjoint.

    Returns
    -------
    JSON types: epochs run, best epoch, best validation loss.
    """
    per_epoch = ceil(len(train_rows) / config.minibatch_size)
    epochs = max(1, min(config.max_epochs, config.max_steps // per_epoch))
    module = LightningNetwork(
        network,
        task=task,
        config=config,
        total_steps=per_epoch * epochs,
        seed=seed,
        wide_out_of_fold=wide_out_of_fold,
    )
    best = _KeepBest()
    callbacks: list[lightning.Callback] = [
        best,
        ReduceRunningStatistics(),
        EarlyStopping("val_loss", patience=config.patience, check_finite=True),
    ]
    if settings.progress_bar:
        callbacks.append(ProgressBar({"reconstruct": "pretrain", "labels": "finetune"}[task]))
    several = config.devices * config.num_nodes > 1
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            # a head that the task does not train has no gradient to reduce
            strategy="ddp_find_unused_parameters_true" if several else "auto",
            precision=config.precision,  # type: ignore[arg-type]
            gradient_clip_val=config.gradient_clip,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        cells = CorpusDataModule(
            corpus,
            train_rows=np.sort(train_rows),
            valid_rows=np.sort(validation_rows),
            minibatch_size=config.minibatch_size,
            seed=seed,
        )
        trainer.fit(module, datamodule=cells)
    if best.weights is not None:
        network.load_state_dict(best.weights)
    network.eval()
    return {"epochs": trainer.current_epoch, "best_epoch": best.epoch, "val_loss": best.loss}


class _KeepBest(lightning.Callback):
    """Keep the weights of the epoch with the lowest validation loss in memory."""

    def __init__(self) -> None:
        self.loss, self.epoch = float("inf"), -1
        self.weights: dict[str, Tensor] | None = None

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        loss = float(trainer.callback_metrics["val_loss"])
        if loss < self.loss:
            self.loss, self.epoch = loss, trainer.current_epoch
            self.weights = copy.deepcopy(pl_module.network.state_dict())  # type: ignore[union-attr]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice on data loader workers and devices off the user's screen."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
