"""Experimental batch of every cell, within which values may be exchanged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.minibatch import Minibatch


def strata_of(cells: Minibatch) -> NDArray[np.int64]:
    """Return int64 (n,) the level of the first covariate, all alike where there is none."""
    if not cells.covariates.shape[1]:
        return np.zeros(len(cells), dtype=np.int64)
    return cells.covariates[:, 0].numpy()
