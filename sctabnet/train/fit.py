"""Run Lightning over the cells of a corpus and keep the best weights."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import DDPStrategy, Strategy
from numpy.typing import NDArray
from torch import Tensor

from sctabnet._errors import InputError
from sctabnet._settings import settings
from sctabnet.data.corpus import Corpus
from sctabnet.data.datamodule import CorpusDataModule
from sctabnet.model.network import Network
from sctabnet.train.is_first_process import is_first_process
from sctabnet.train.keep_best import KeepBest
from sctabnet.train.lightning_network import LightningNetwork
from sctabnet.train.progress_bar import ProgressBar
from sctabnet.train.rank_generators import RankGenerators
from sctabnet.train.reduce_running_statistics import ReduceRunningStatistics
from sctabnet.train.run_record import RunRecord
from sctabnet.train.save_checkpoints import SaveCheckpoints
from sctabnet.train.sharded_strategy import ShardedStrategy
from sctabnet.train.trainer_config import TrainerConfig
from sctabnet.train.watch_parent import watch_parent
from sctabnet.train.weight_average import WeightAverage
from sctabnet.train.whole_state import whole_state

# a process that waits this long for the others gives up; a dead one is noticed long before
_TIMEOUT = timedelta(minutes=10)


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
    class_weights: Tensor | None = None,
    record: RunRecord | None = None,
) -> dict[str, Any]:
    """Train ``network`` in place and leave it at its best epoch.

    Parameters
    ----------
    network
        Trained in place; ends in evaluation mode with the weights of the epoch that had the
        lowest loss on the validation cells.
    corpus
        Where the cells are read from.
    task, config, seed, wide_out_of_fold, class_weights
        See :class:`~sctabnet.train.lightning_network.LightningNetwork`.
    train_rows, validation_rows
        int64 row ids in the corpus, disjoint.
    record
        Where checkpoints and metrics go, and what to go on from; None keeps neither.

    Returns
    -------
    JSON types: epochs run, best epoch, best validation loss and, without a run folder, the
    training dynamics of every epoch.

    Raises
    ------
    ValueError
        If the devices asked for are not there, or the loss becomes infinite or NaN.
    RunInterrupted
        If a run with a record was asked to stop; its state was saved.
    """
    strategy = _strategy(config, task)
    sharded = isinstance(strategy, ShardedStrategy)
    per_epoch = ceil(ceil(len(train_rows) / config.minibatch_size) / config.accumulate)
    epochs = max(1, min(config.max_epochs, config.max_steps // per_epoch))
    module = LightningNetwork(
        # sharding changes the parameters of the module itself, for good
        copy.deepcopy(network) if sharded else network,
        task=task,
        config=config,
        total_steps=per_epoch * epochs,
        seed=seed,
        wide_out_of_fold=wide_out_of_fold,
        class_weights=class_weights,
    )
    best = KeepBest(config.patience)
    callbacks: list[lightning.Callback] = [best, ReduceRunningStatistics()]
    if config.ema_decay:
        callbacks.append(WeightAverage(config.ema_decay))
    if settings.progress_bar:
        callbacks.append(ProgressBar({"reconstruct": "pretrain", "labels": "finetune"}[task]))
    plugins: list[Any] = []
    if record is not None:
        plugins.append(record.io)
        every, accumulate = config.checkpoint_every, config.accumulate
        callbacks += [
            RankGenerators(),
            SaveCheckpoints(record.io, every=every, accumulate=accumulate),
        ]
    if strategy != "auto" and not is_first_process():
        watch_parent()
    if SLURMEnvironment.detect():
        # Lightning would requeue by itself, from a checkpoint of its own
        plugins.append(SLURMEnvironment(auto_requeue=False))
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trainer = _trainer(
            config,
            strategy=strategy,
            max_epochs=epochs,
            callbacks=callbacks,
            plugins=plugins,
            logger=record.loggers if record is not None else False,
            log_every_n_steps=min(50, per_epoch),
        )
        cells = CorpusDataModule(
            corpus,
            train_rows=np.sort(train_rows),
            valid_rows=np.sort(validation_rows),
            minibatch_size=config.minibatch_size,
            seed=seed,
        )
        checkpoint = None if record is None else record.checkpoint
        # Lightning leaves the mode as it is, and a model at rest is in evaluation mode, in which
        # batch norms neither normalise by the minibatch nor learn what to normalise by later
        module.train()
        trainer.fit(module, datamodule=cells, ckpt_path=checkpoint)
        if record is not None:
            record.io.wait()
    if best.weights is not None or sharded:
        network.load_state_dict(best.weights or whole_state(module.network.state_dict()))
    network.eval()
    result = {"epochs": best.epochs, "best_epoch": best.epoch, "val_loss": best.loss}
    # a run folder's metrics.csv holds the dynamics, and an interruption cuts what is in memory
    return result if record is not None else result | {"dynamics": module.dynamics}


def _strategy(config: TrainerConfig, task: str) -> Strategy | Literal["auto"]:
    processes = config.devices * config.num_nodes
    if processes == 1:
        return "auto"
    if config.strategy == "fsdp":
        return ShardedStrategy(
            data_parallel_size=processes,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
            timeout=_TIMEOUT,
        )
    # the head for reconstruction gets no gradient while labels are learned
    return DDPStrategy(find_unused_parameters=task == "labels", timeout=_TIMEOUT)


def _trainer(config: TrainerConfig, **options: Any) -> lightning.Trainer:
    try:
        return lightning.Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            precision=config.precision,  # type: ignore[arg-type]
            accumulate_grad_batches=config.accumulate,
            enable_checkpointing=any(isinstance(c, SaveCheckpoints) for c in options["callbacks"]),
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **options,
        )
    except (MisconfigurationException, RuntimeError) as error:
        raise InputError(
            f"These devices cannot be had: accelerator={config.accelerator!r}, "
            f"devices={config.devices}, num_nodes={config.num_nodes}, "
            f"precision={config.precision!r}. Found: {' '.join(str(error).split())} "
            "Ask for what this machine has."
        ) from error


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
