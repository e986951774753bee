from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.source import CellSource


class RowPlaces:
    """Where rows lie on disk (``reads``) and in a buffer (``first, last``)."""

    def __init__(
        self,
        sources: Sequence[CellSource],
        edges: NDArray[np.int64],
        rows: NDArray[np.int64],
        source: NDArray[np.int64],
    ) -> None:
        self.rows, self.source = rows, source
        self.first = np.empty(len(rows), np.int64)
        self.last = np.empty(len(rows), np.int64)
        self.reads: list[tuple[int, NDArray[np.int64], NDArray[np.int64], int, int]] = []
        self.n_entries = 0
        for number in np.unique(source).tolist():
            mine = np.flatnonzero(source == number) if len(sources) > 1 else np.arange(len(rows))
            local = rows[mine] - edges[number]
            breaks = np.flatnonzero(np.diff(local) != 1) + 1
            begins = np.concatenate([[0], breaks])
            ends = np.concatenate([breaks, [len(local)]])
            first, last = sources[number].row_bounds(local[begins], local[ends - 1] + 1)
            lengths = last - first
            to = self.n_entries + np.cumsum(lengths)
            self.first[mine], self.last[mine] = to - lengths, to
            low, self.n_entries = self.n_entries, self.n_entries + int(lengths.sum())
            self.reads.append((number, first[begins], last[ends - 1], low, self.n_entries))
