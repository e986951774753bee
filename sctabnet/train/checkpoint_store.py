"""The checkpoints of a run: two files each, verified when written and again when read."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from sctabnet._atomic import atomic_path, atomic_text
from sctabnet._errors import InputError
from sctabnet.train.state_tree import StateTree

FORMAT = 1
KEPT = 2
_NAME = re.compile(r"step-(\d{9,})\.json")


class CheckpointStore:
    """``step-*.safetensors`` with every tensor, and ``step-*.json`` with all else and its digest.

    The JSON file is written last, so a checkpoint is there as a whole or not at all. Older ones
    are removed only after the newest was read back and found to be what was written.

    Parameters
    ----------
    folder
        Where the checkpoints lie.
    vocabulary
        Digest of the genes; a checkpoint of others is refused.
    """

    def __init__(self, folder: Path, *, vocabulary: str) -> None:
        self.folder = folder
        self._vocabulary = vocabulary

    def path(self, step: int) -> Path:
        """Return where the tensors of a step lie."""
        return self.folder / f"step-{step:09d}.safetensors"

    def save(self, step: int, tree: StateTree) -> None:
        """Write a checkpoint, verify it, and remove all but the newest two.

        Raises
        ------
        ValueError
            If it cannot be written; the checkpoints before it are as they were.
        """
        data = save(tree.tensors)
        path = self.path(step)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                temporary.write_bytes(data)
            header = {
                "format": FORMAT,
                "step": step,
                "vocabulary": self._vocabulary,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "state": tree.structure,
            }
            header["digest"] = _digest(header)
            atomic_text(path.with_suffix(".json"), json.dumps(header) + "\n")
            self._read(step)
        except OSError as error:
            raise InputError(
                f"The checkpoint of step {step} could not be written. Found: "
                f"{error.strerror or error} in {self.folder}, where {len(data):,} bytes are needed "
                f"and {_free(self.folder):,} are free. The checkpoints before it are intact: "
                "make room and go on with --resume."
            ) from error
        self._remove_old()

    def newest(self) -> int | None:
        """Return the step of the newest checkpoint that is as it was written, or None.

        A damaged one is passed over with a warning.

        Raises
        ------
        ValueError
            If a checkpoint belongs to other genes or to a newer version.
        """
        for step in self._steps():
            try:
                self._read(step)
            except _DamagedError as error:
                warnings.warn(
                    f"The checkpoint of step {step} is damaged ({error}); an older one is used.",
                    UserWarning,
                    stacklevel=2,
                )
            else:
                return step
        return None

    def load(self, step: int) -> Any:
        """Return the state that was saved at a step.

        Raises
        ------
        ValueError
            If it is damaged, belongs to other genes or to a newer version.
        """
        try:
            return self._read(step).restore()
        except _DamagedError as error:
            raise InputError(
                f"The checkpoint {self.path(step)} is not as it was written: {error}. "
                "Remove it to go on from the one before."
            ) from None

    def clean(self) -> None:
        """Remove what a process that died inside a write left behind."""
        for path in self.folder.glob(".step-*.tmp*"):
            path.unlink()
        for path in self.folder.glob("step-*.safetensors"):
            if not path.with_suffix(".json").exists():
                path.unlink()

    def _steps(self) -> list[int]:
        found = [_NAME.fullmatch(path.name) for path in self.folder.glob("step-*.json")]
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def _read(self, step: int) -> StateTree:
        path = self.path(step)
        try:
            header = json.loads(path.with_suffix(".json").read_bytes())
            version, written = header["format"], header.pop("digest")
        except (OSError, ValueError, KeyError, TypeError):
            raise _DamagedError("its JSON file cannot be read") from None
        if version != FORMAT:
            raise InputError(
                f"{path.with_suffix('.json')} was written by another version of sctabnet. Found "
                f"format {version}; this version reads {FORMAT}. Use the version of the run, "
                "which environment.json names."
            )
        if written != _digest(header):
            raise _DamagedError("its JSON file was changed")
        if header["vocabulary"] != self._vocabulary:
            raise InputError(
                f"{path} belongs to a run on other genes. Found vocabulary "
                f"{header['vocabulary'][:16]}, the run has {self._vocabulary[:16]}. "
                "Use the checkpoints that the run itself wrote."
            )
        try:
            data = path.read_bytes()
        except OSError:
            raise _DamagedError(f"{path.name} is missing") from None
        if len(data) != header["bytes"] or hashlib.sha256(data).hexdigest() != header["sha256"]:
            raise _DamagedError(f"{path.name} was changed")
        return StateTree(header["state"], load(data))

    def _remove_old(self) -> None:
        for step in self._steps()[KEPT:]:
            self.path(step).with_suffix(".json").unlink(missing_ok=True)
            self.path(step).unlink(missing_ok=True)


class _DamagedError(Exception):
    """A checkpoint is not as it was written."""


def _digest(header: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder if folder.exists() else folder.parent).free
