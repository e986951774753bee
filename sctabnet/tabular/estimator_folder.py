"""A fitted estimator on disk: weights as safetensors, everything else as JSON."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from sctabnet._atomic import atomic_path, atomic_text
from sctabnet._errors import InputError, MissingFileError

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save_folder(
    folder: str | PathLike[str], config: dict[str, Any], weights: dict[str, Tensor]
) -> None:
    """Write weights, then the configuration with their digest.

    Values of ``config["parameters"]`` that JSON cannot hold are left out.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / WEIGHTS) as path:
        save_file({name: value.cpu().contiguous() for name, value in weights.items()}, path)
    parameters = {name: v for name, v in config["parameters"].items() if _is_json(v)}
    text = {**config, "parameters": parameters, "sha256": _digest(folder / WEIGHTS)}
    atomic_text(folder / CONFIG, json.dumps(text, indent=1) + "\n")


def load_folder(folder: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return configuration and weights; refuse weights whose digest is not the recorded one."""
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise MissingFileError(
                f"{folder} is not a saved estimator. Found no {name} in it. "
                "Pass a folder written by save()."
            )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        digest = config["sha256"]
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{folder / CONFIG} describes no saved estimator, or is damaged. Found no SHA-256 of "
            "weights in it. Save the estimator again; sctabnet.Model.load reads models of cells."
        ) from None
    if _digest(folder / WEIGHTS) != digest:
        raise InputError(
            f"The weights in {folder} are not those that were saved. Found another SHA-256. "
            "Save the estimator again."
        )
    return config, load_file(folder / WEIGHTS)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
