"""Whether cells are held out by batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def apart(
    groups: NDArray[np.int64],
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
) -> bool:
    """Return whether no label of a held-out batch is trained on in that batch.

    Parameters
    ----------
    groups, labels
        int64 (n,), batch and label of all cells.
    train, validation
        Positions of the cells to learn from and of those held out.
    """
    pairs = groups * (labels.max() + 1) + labels
    return not np.isin(pairs[validation], pairs[train]).any()
