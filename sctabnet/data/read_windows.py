from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.gathered_rows import GatheredRows
from sctabnet.data.plan import Plan
from sctabnet.data.row_reader import RowReader


def read_windows(
    reader: RowReader,
    plan: Plan,
    rows: NDArray[np.int64] | None = None,
    *,
    max_entries: float,
    rank: int = 0,
    world_size: int = 1,
    first_step: int = 0,
    pad: bool = True,
) -> Iterator[GatheredRows]:
    """Yield one process's cells of every minibatch of a plan, reading a window at a time.

    Parameters
    ----------
    reader, plan
        What reads rows, and their order.
    rows
        The cells that the plan counts; by default all.
    max_entries
        Stored values that a window may take. A window of unusually rich cells that exceeds it is
        read minibatch by minibatch instead: slower, but the order is the same and the memory bound
        holds.
    rank, world_size, first_step
        See :meth:`Plan.windows`.
    pad
        False leaves padding out, so that the last minibatch may be smaller.

    Yields
    ------
    GatheredRows
        With -1 as the row of padding.
    """
    for window in plan.windows(rank=rank, world_size=world_size, first_step=first_step):
        cells = window.cells()
        places = reader.locate(cells if rows is None else rows[cells])
        if places.n_entries <= max_entries:
            buffer = reader.load_places(places)
            for picks in window.picks:
                yield reader.gather(buffer, picks if pad else picks[picks >= 0])
            del buffer  # before the next window is read: there is memory for one
        else:
            for padded in window.picks:
                picks = padded if pad else padded[padded >= 0]
                present = np.sort(picks[picks >= 0])
                part = reader.load(places.rows[present])
                yield reader.gather(part, np.where(picks < 0, -1, np.searchsorted(present, picks)))
                del part
