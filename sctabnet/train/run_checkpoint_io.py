"""Write Lightning's checkpoints with our own writer, beside the training."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins import CheckpointIO

from sctabnet.train.checkpoint_store import CheckpointStore
from sctabnet.train.state_tree import StateTree


class RunCheckpointIO(CheckpointIO):
    """Copies the state at once, and writes, flushes and verifies it on another thread.

    Lightning's own writer pickles, swallows errors of permission and renames across file systems;
    this one goes through :class:`~sctabnet.train.checkpoint_store.CheckpointStore`. What goes wrong
    on the other thread is raised by the next :meth:`save_checkpoint` or :meth:`wait`.

    Parameters
    ----------
    store
        Where checkpoints are kept.
    """

    def __init__(self, store: CheckpointStore) -> None:
        self.store = store
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Copy the state of Lightning's checkpoint and begin to write it."""
        self.wait()
        tree, step = StateTree.of(checkpoint), int(checkpoint["global_step"])
        self._thread = threading.Thread(target=self._save, args=(step, tree))
        self._thread.start()

    def wait(self) -> None:
        """Wait until the write under way is done, and raise what went wrong in it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the state; ``path`` is one that the store gave out."""
        state: dict[str, Any] = self.store.load(int(Path(path).stem.removeprefix("step-")))
        return state

    def remove_checkpoint(self, path: str | Path) -> None:
        """Do nothing: the store removes what is old."""

    def teardown(self) -> None:
        """Let the write under way finish; what went wrong in it has nobody left to tell."""
        if self._thread is not None:
            self._thread.join()

    def _save(self, step: int, tree: StateTree) -> None:
        try:
            self.store.save(step, tree)
        except BaseException as error:  # handed to the thread that trains
            self._error = error
