from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sctabnet._errors import InputError
from sctabnet.data.balanced_rows import balanced_rows
from sctabnet.data.corpus import Corpus
from sctabnet.data.minibatch import Minibatch
from sctabnet.data.plan import Plan


class EpochLoader:
    """Minibatches of one process, epoch after epoch, that can be stopped and resumed anywhere.

    Every iteration is one epoch. All processes make equally many steps.

    Parameters
    ----------
    corpus
        Where the cells come from.
    rows
        Cells to use (ascending); by default all.
    minibatch_size
        Cells of a minibatch over all processes together.
    seed
        Key of the order, together with the epoch.
    rank, world_size
        This process, and the number of processes.
    balance
        int64 (n_cells,): draw every class of these codes equally often; see ``balanced_rows``.
    reshuffle
        False repeats the order of epoch 0 (validation).
    memory_limit
        Bytes that a window and its minibatches may take; by default about 450 MB.
    finish
        Applied to each minibatch by the reading thread, e.g. ``Minibatch.pin_memory``.

    Attributes
    ----------
    epoch, step
        The epoch under way, and the number of its minibatches handed out.
    """

    def __init__(
        self,
        corpus: Corpus,
        rows: NDArray[np.int64] | None = None,
        *,
        minibatch_size: int = 1024,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        balance: NDArray[np.int64] | None = None,
        reshuffle: bool = True,
        memory_limit: int | None = None,
        finish: Callable[[Minibatch], Minibatch] | None = None,
    ) -> None:
        self._corpus, self._rows, self._balance = corpus, rows, balance
        self._minibatch_size, self._seed, self._reshuffle = minibatch_size, seed, reshuffle
        self._rank, self._world_size = rank, world_size
        self._limit = {} if memory_limit is None else {"memory_limit": memory_limit}
        self._finish = finish
        self.epoch, self.step = -1, 0
        self._resumed = False
        self._n_steps = self._plan(0)[0].n_steps
        self.reset_throughput()

    def __len__(self) -> int:
        return self._n_steps

    def __iter__(self) -> Iterator[Minibatch]:
        if not self._resumed:
            self.epoch, self.step = self.epoch + 1, 0
        self._resumed = False
        plan, rows = self._plan(self.epoch if self._reshuffle else 0)
        minibatches = self._corpus.read_epoch(
            plan,
            rows,
            rank=self._rank,
            world_size=self._world_size,
            first_step=self.step,
            finish=self._finish,
        )
        while True:
            before = time.perf_counter()
            minibatch = next(minibatches, None)
            now = time.perf_counter()
            self._waited += now - before
            if minibatch is None:
                return
            self.step += 1
            self._cells += len(minibatch)
            yield minibatch
            del minibatch
            self._worked += time.perf_counter() - now

    def start_epoch(self, epoch: int) -> None:
        """Make the next iteration that of ``epoch``, unless it was resumed within an epoch."""
        if not self._resumed:
            self.epoch = epoch - 1

    def throughput(self) -> dict[str, float]:
        """Return this process's cells per second and the share of time spent waiting for data."""
        seconds = max(self._waited + self._worked, 1e-9)
        return {"cells_per_s": self._cells / seconds, "wait_share": self._waited / seconds}

    def reset_throughput(self) -> None:
        """Begin a new measurement of :meth:`throughput`."""
        self._waited = self._worked = 0.0
        self._cells = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` needs to go on: below 1 KB, whatever the corpus."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seed": self._seed,
            "minibatch_size": self._minibatch_size,
            "window_rows": self._plan(0)[0].window_rows,
            "fingerprint": self._corpus.fingerprint,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the last minibatch handed out, on any number of processes.

        Raises
        ------
        ValueError
            If the corpus, the seed or the size of minibatches are not those of the state.
        """
        mine = self.state_dict()
        for key in ("fingerprint", "seed", "minibatch_size", "window_rows"):
            if state[key] != mine[key]:
                raise InputError(
                    f"The interrupted run cannot go on: {key} differs. Found {mine[key]!r}, "
                    f"but the run had {state[key]!r}. Use the same data and settings."
                )
        self.epoch, self.step = int(state["epoch"]), int(state["step"])
        self._resumed = self.step < self._n_steps

    def _plan(self, epoch: int) -> tuple[Plan, NDArray[np.int64] | None]:
        rows = self._rows
        if self._balance is not None:
            rows = np.arange(self._corpus.n_cells) if rows is None else rows
            groups = self._corpus.files_of(rows)
            rows = balanced_rows(rows, self._balance[rows], groups, seed=self._seed, epoch=epoch)
        plan = self._corpus.plan(
            rows, minibatch_size=self._minibatch_size, seed=self._seed, epoch=epoch, **self._limit
        )
        return plan, rows
