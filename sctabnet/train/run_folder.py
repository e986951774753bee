"""The folder of a pretraining job: recipe, versions, metrics, checkpoints, models."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from sctabnet import _checks
from sctabnet._atomic import atomic_text
from sctabnet._errors import InputError, MissingFileError
from sctabnet.train.environment import environment
from sctabnet.train.is_first_process import is_first_process

# what may differ when a run goes on: where it runs and how often it is saved, not what it learns
_FREE = {"accelerator", "devices", "num_nodes", "strategy", "checkpoint_every"}


class RunFolder:
    """Where a job keeps what it needs to go on after any interruption.

    ``recipe.yaml`` (every option, also as ``--config``), ``environment.json``, ``metrics.csv``,
    ``start/`` (the model before its first step), ``checkpoints/``, ``model/`` (the result) and
    ``lock``.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.recipe_path = self.path / "recipe.yaml"
        self.metrics = self.path / "metrics.csv"
        self.checkpoints = self.path / "checkpoints"
        self.start = self.path / "start"
        self.model = self.path / "model"

    def recipe(self) -> dict[str, Any]:
        """Return the options of the run.

        Raises
        ------
        FileNotFoundError
            If this is no run folder.
        ValueError
            If its recipe is damaged.
        """
        if not self.recipe_path.is_file():
            raise MissingFileError(
                f"{self.path} is not a run folder: there is no recipe.yaml. "
                "Give a folder that `sctabnet pretrain --run FOLDER` made."
            )
        try:
            recipe = yaml.safe_load(self.recipe_path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            recipe = None
        if not isinstance(recipe, dict):
            raise InputError(
                f"{self.recipe_path} is damaged. Found no options by name in it. Restore it, or "
                "start another run."
            )
        return recipe

    def check(self, recipe: Mapping[str, Any], *, resume: bool) -> None:
        """Raise unless the folder can be made, or is the one of an interrupted run of ``recipe``.

        Raises
        ------
        FileNotFoundError
            If there is no run to go on with.
        ValueError
            If the folder holds something already, or a run with other options.
        """
        if resume:
            self._check_same(self.recipe(), recipe)
        elif is_first_process():
            self._check_free()
            if not self._is_stillborn():
                _checks.check_new_folder(self.path)

    def create(self, recipe: Mapping[str, Any]) -> None:
        """Write the recipe; the folder is held by this process.

        Raises
        ------
        ValueError
            If another process was faster.
        """
        self._check_free()
        atomic_text(self.recipe_path, yaml.safe_dump(dict(recipe), sort_keys=False))

    def note_environment(self) -> None:
        """Add what this process computes with to ``environment.json``, one entry per start."""
        path = self.path / "environment.json"
        starts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        atomic_text(path, json.dumps([*starts, environment()], indent=1) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the system lets go of it however the process ends.

        Raises
        ------
        ValueError
            If a live process holds it.
        """
        if not is_first_process() or os.name == "nt":
            yield
            return
        import fcntl  # not on Windows

        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise InputError(
                    f"{self.path} is in use by a live process. Found {lock.read().strip()}. "
                    "Wait for it to end, stop it, or choose another folder."
                ) from None
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            lock.flush()
            yield

    def _is_stillborn(self) -> bool:
        """Return whether a job was killed here before its recipe was written."""
        if not self.path.is_dir():
            return False
        names = {path.name for path in self.path.iterdir()} - {"lock"}
        return all(name.startswith(".recipe.") and name.endswith(".tmp.yaml") for name in names)

    def _check_free(self) -> None:
        if self.recipe_path.exists():
            raise InputError(
                f"{self.path} holds a run already. Nothing was changed. Go on with it by "
                f"--resume {self.path} (in Python: resume=True), or choose another folder."
            )

    def _check_same(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        before, now = _flat(old), _flat(new)
        names = sorted(before.keys() | now.keys())
        for name in names:
            if name.rpartition(".")[2] not in _FREE and before.get(name) != now.get(name):
                raise InputError(
                    f"The interrupted run in {self.path} cannot go on: {name} differs. Found "
                    f"{now.get(name)!r}, but the run has {before.get(name)!r}. Leave it as it "
                    "was, or start another run."
                )


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
