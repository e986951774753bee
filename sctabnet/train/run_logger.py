"""Metrics of a run as one growing CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from sctabnet._atomic import atomic_text
from sctabnet.train.is_first_process import is_first_process

COLUMNS = (
    "step",
    "epoch",
    "train_loss",
    "val_loss",
    "learning_rate",
    "gradient_norm",
    "gradient_genes",
    "gradient_encoder",
    "gradient_heads",
    "loss_reconstruct",
    "loss_labels",
    "loss_sparsity",
    "loss_permutation",
    "loss_consistency",
    "mask_support",
    "mask_entropy",
    "mask_overlap",
    "cells_per_s",
    "wait_share",
)


class RunLogger(Logger):
    """Appends a line for every set of metrics, at once, so that a kill loses none.

    Lightning's own CSV logger starts a new file after every interruption and writes a file anew for
    every line.

    Parameters
    ----------
    path
        The file.
    resumed_at
        Step that the run goes on from: later lines of an interrupted run are dropped, because
        their steps come again. 0 begins a new file.
    """

    def __init__(self, path: Path, *, resumed_at: int = 0) -> None:
        super().__init__()
        self._path = path
        if is_first_process():
            atomic_text(path, _up_to(path, resumed_at))

    @property
    def name(self) -> str:
        """The kind of run."""
        return "sctabnet"

    @property
    def version(self) -> str:
        """One file, one run."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Do nothing: the recipe is in the run folder."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one line."""
        known = {name.rpartition("/")[2]: value for name, value in metrics.items()}
        values = {name: known[name] for name in COLUMNS if name in known}
        if values.keys() <= {"epoch"}:
            return
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.write(_line({"step": step} | values))


def _line(values: Mapping[str, Any]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerow(values)
    return text.getvalue()


def _up_to(path: Path, step: int) -> str:
    header = ",".join(COLUMNS) + "\n"
    if not step or not path.exists():
        return header
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # the line of step k is written when k + 1 steps are done
    whole = [row for row in rows if None not in row.values() and row["step"].isdigit()]
    kept = [row for row in whole if int(row["step"]) < step]
    return header + "".join(_line(row) for row in kept)
