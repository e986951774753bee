"""The model of a run folder, whether the run is finished or not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sctabnet._errors import InputError
from sctabnet.model.model import Model
from sctabnet.train.checkpoint_store import CheckpointStore
from sctabnet.train.run_folder import RunFolder


def export_run(run: str | os.PathLike[str]) -> Model:
    """Return the finished model, or the best one so far of a run that goes on or was interrupted.

    Parameters
    ----------
    run
        A run folder.

    Returns
    -------
    Model. Of an unfinished run it holds the weights with the lowest validation loss so far, or
    those of the newest checkpoint where no epoch was validated yet; its history says so.

    Raises
    ------
    FileNotFoundError
        If this is no run folder.
    ValueError
        If the run has no checkpoint yet, or a file is not as it was written.
    """
    folder = RunFolder(run)
    folder.recipe()
    if folder.model.exists():
        return Model.load(folder.model)
    if not folder.start.exists():
        raise InputError(f"{Path(run)} has no model yet. Found a recipe only. Resume the run.")
    model = Model.load(folder.start)
    store = CheckpointStore(folder.checkpoints, vocabulary=model.vocabulary.digest)
    step = store.newest()
    if step is None:
        raise InputError(
            f"{Path(run)} has no checkpoint yet. Found none in "
            f"{folder.checkpoints}. Resume the run."
        )
    state = store.load(step)
    best = _callback(state, "KeepBest")
    weights = best["weights"]
    if weights is None:
        weights = _callback(state, "WeightAverage").get("average") or {
            name.removeprefix("network."): tensor for name, tensor in state["state_dict"].items()
        }
    model.network.load_state_dict(weights)
    model.history.append(
        {
            "task": "pretrain",
            "state": f"unfinished: step {step}, {best['epochs']} epochs validated",
            "val_loss": best["loss"],
            "best_epoch": best["epoch"],
        }
    )
    return model


def _callback(state: dict[str, Any], name: str) -> dict[str, Any]:
    return next((value for key, value in state["callbacks"].items() if key.startswith(name)), {})
