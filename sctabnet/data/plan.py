from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# Streams are dealt to processes, so their number should have many divisors
_STREAM_DIVISORS = 2**6 * 3 * 5 * 7


@dataclass(frozen=True, eq=False)
class Window:
    """What one process reads at once, and the minibatches it cuts out of it.

    Attributes
    ----------
    first_step
        Number of the first minibatch of the window in its epoch.
    starts, stops
        int64: ranges of cells to read; the window's cells are theirs, one range after the other.
    picks
        int64 (n_minibatches, cells of this process): cells of the window, -1 is padding.
    """

    first_step: int
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    picks: NDArray[np.int64]

    def cells(self) -> NDArray[np.int64]:
        """Return the window's cells in the order in which ``picks`` counts them."""
        lengths = self.stops - self.starts
        shift = np.repeat(self.starts - np.cumsum(lengths) + lengths, lengths)
        return np.arange(lengths.sum(), dtype=np.int64) + shift


class Plan:
    """The order of one epoch: every cell once, the same minibatches on any number of processes.

    Cells are read in blocks of neighbours. The blocks of each source are shuffled and then spread
    evenly over the epoch, so that any stretch of it holds every source in proportion. A stretch of
    ``window_rows`` cells is a window, dealt in equal parts to ``n_streams`` virtual streams; within
    its part each stream shuffles single cells. Every minibatch takes equally many cells from every
    stream. A process owns a range of streams and reads nothing else; its part of a minibatch is a
    contiguous piece of the minibatch that one process would make.

    The order is a pure function of the arguments, and any step is found without those before it.

    Parameters
    ----------
    source_sizes
        Cells of each source. Cells are numbered through, one source after the other.
    minibatch_size
        Cells of a minibatch over all processes together.
    seed, epoch, fingerprint
        Key of all random numbers.
    n_streams
        Must divide ``minibatch_size``; by default its greatest common divisor with 6,720.
    window_rows
        Cells that are shuffled with each other; rounded up to whole minibatches.
    block_rows
        Neighbours that are read together: at most this many, fewer where a window could not hold
        256 blocks and two of every source, and single cells where all fit into one window.

    Raises
    ------
    ValueError
        If a size is not positive, or ``n_streams`` does not divide ``minibatch_size``.
    """

    def __init__(
        self,
        source_sizes: NDArray[np.int64],
        *,
        minibatch_size: int,
        seed: int = 0,
        epoch: int = 0,
        fingerprint: str = "",
        n_streams: int | None = None,
        window_rows: int = 16_384,
        block_rows: int = 64,
    ) -> None:
        if min(minibatch_size, window_rows, block_rows) < 1:
            raise ValueError(
                "Sizes must be positive. Found "
                f"{minibatch_size=}, {window_rows=}, {block_rows=}. Pass numbers of at least 1."
            )
        sizes = np.asarray(source_sizes, dtype=np.int64)
        self.n_streams = n_streams or math.gcd(minibatch_size, _STREAM_DIVISORS)
        if minibatch_size % self.n_streams:
            raise ValueError(
                "The number of streams must divide the size of a minibatch. Found "
                f"{self.n_streams} streams for minibatches of {minibatch_size} cells. "
                "Choose a multiple as the size."
            )
        self.minibatch_size = minibatch_size
        self.window_rows = math.ceil(window_rows / minibatch_size) * minibatch_size
        self.n_cells = int(sizes.sum())
        self.n_steps = math.ceil(self.n_cells / minibatch_size)
        key = hashlib.sha256(f"{seed}/{epoch}/{fingerprint}".encode()).digest()[:16]
        self._key = np.frombuffer(key, dtype=np.uint64)
        if self.n_cells <= self.window_rows:
            block_rows = 1
        else:
            block_rows = min(block_rows, max(1, self.window_rows // max(256, 2 * len(sizes))))
        self._starts, self._ends = self._spread_blocks(sizes, block_rows)

    def windows(
        self, *, rank: int = 0, world_size: int = 1, first_step: int = 0
    ) -> Iterator[Window]:
        """Yield the windows of one process, from the one that holds ``first_step`` on.

        Minibatches before ``first_step`` are left out of the first window's ``picks``.

        Raises
        ------
        ValueError
            If the number of processes does not divide the number of streams.
        """
        if self.n_streams % world_size:
            raise ValueError(
                f"Minibatches of {self.minibatch_size} cells come from {self.n_streams} streams, "
                f"which cannot be shared equally by {world_size} processes. "
                f"Choose a minibatch size that is a multiple of {world_size} (best of "
                f"{math.lcm(world_size, 64)})."
            )
        owned = self.n_streams // world_size
        per_window = self.window_rows // self.minibatch_size
        for window in range(first_step // per_window, math.ceil(self.n_steps / per_window)):
            base = window * self.window_rows
            n_here = min(self.window_rows, self.n_cells - base)
            edges = base + np.arange(self.n_streams + 1) * n_here // self.n_streams
            mine = edges[rank * owned : (rank + 1) * owned + 1]
            starts, stops = self._ranges(int(mine[0]), int(mine[-1]))
            picks = self._picks(window, n_here, mine, base)
            skip = max(0, first_step - window * per_window)
            yield Window(window * per_window + skip, starts, stops, picks[skip:])

    def _spread_blocks(
        self, sizes: NDArray[np.int64], block_rows: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return each block's first cell, and the cells up to its end, in the epoch's order."""
        rng = self._rng(0)
        n_blocks = -(-sizes // block_rows)
        first_block = np.cumsum(n_blocks) - n_blocks
        order = np.empty(n_blocks.sum(), np.int32)
        due = np.empty(len(order), np.float32)
        for first, n in zip(first_block.tolist(), n_blocks.tolist(), strict=True):
            order[first : first + n] = first + rng.permutation(n)
            due[first : first + n] = (np.arange(n) + rng.random()) / max(n, 1)
        order = order[np.argsort(due, kind="stable")]
        counts = self._cells(order, sizes, first_block, block_rows)[1]
        # evenly spread sources take turns in one order, which must not show within a window
        due[:] = np.cumsum(counts) // self.window_rows
        due += rng.random(len(order), np.float32)
        order = order[np.argsort(due)]
        del due, counts
        starts, counts = self._cells(order, sizes, first_block, block_rows)
        return starts, np.cumsum(counts)

    @staticmethod
    def _cells(
        blocks: NDArray[np.int32],
        sizes: NDArray[np.int64],
        first_block: NDArray[np.int64],
        block_rows: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first cell of each block, and its number of cells."""
        source = np.searchsorted(first_block, blocks, side="right") - 1
        starts = blocks - first_block[source]
        starts *= block_rows
        counts = sizes[source]
        counts -= starts
        np.minimum(counts, block_rows, out=counts)
        starts += (np.cumsum(sizes) - sizes)[source]
        return starts, counts

    def _ranges(self, low: int, high: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the cells at the places ``[low, high)`` of the epoch's order, as ranges."""
        if low == high:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        first = int(np.searchsorted(self._ends, low, side="right"))
        last = int(np.searchsorted(self._ends, high, side="left"))
        ends = self._ends[first : last + 1]
        begins = np.concatenate([self._ends[first - 1 : first] if first else [0], ends[:-1]])
        starts = self._starts[first : last + 1] + np.maximum(low - begins, 0)
        stops = self._starts[first : last + 1] + np.minimum(high, ends) - begins
        return starts, stops

    def _picks(
        self, window: int, n_here: int, edges: NDArray[np.int64], base: int
    ) -> NDArray[np.int64]:
        """Shuffle each stream's cells and deal them: (minibatches, streams x cells per stream)."""
        per_stream = self.minibatch_size // self.n_streams
        n_steps = math.ceil(n_here / self.minibatch_size)
        draws = self._rng(window + 1).random(n_here)
        picks = np.full((len(edges) - 1, n_steps * per_stream), -1, dtype=np.int64)
        for stream, (low, high) in enumerate(pairwise(edges)):
            shuffled = np.argsort(draws[low - base : high - base])
            picks[stream, : high - low] = shuffled + (low - edges[0])
        dealt = picks.reshape(len(edges) - 1, n_steps, per_stream)
        return dealt.transpose(1, 0, 2).reshape(n_steps, -1)

    def _rng(self, counter: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, counter]))
