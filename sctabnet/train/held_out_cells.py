"""Which cells a pretraining run is validated on: whole donors where they are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sctabnet._errors import InputError


def held_out_cells(
    n_cells: int, donors: pd.Series | None, *, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to train on and those to validate on, both ascending.

    Parameters
    ----------
    n_cells
        Cells of the corpus.
    donors
        Donor of each cell: donors are drawn until ``share`` of the cells is held out, and one is
        always left to train on. Cells without a donor are trained on. None draws single cells.
    share
        Share of the cells to hold out; at least one is.
    seed
        Seed of the draw.

    Raises
    ------
    ValueError
        If there are not two donors.
    """
    rng = np.random.default_rng(seed)
    wanted = max(1, round(share * n_cells))
    if donors is None:
        order = rng.permutation(n_cells)
        return np.sort(order[wanted:]), np.sort(order[:wanted])
    codes, names = pd.factorize(donors, sort=True)
    if len(names) < 2:
        raise InputError(
            "donor_key must name a column with at least two donors, one of them to hold out. "
            f"Found {list(names)}. Leave donor_key out to hold out single cells."
        )
    sizes = np.bincount(codes[codes >= 0])
    order = rng.permutation(len(names))
    n_held = 1 + int(np.searchsorted(np.cumsum(sizes[order]), wanted))
    held = np.isin(codes, order[: min(n_held, len(names) - 1)])
    return np.flatnonzero(~held), np.flatnonzero(held)
