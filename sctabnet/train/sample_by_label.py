from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample_by_label(
    rows: NDArray[np.int64], labels: NDArray[np.int64], most: int, random_state: int
) -> NDArray[np.int64]:
    """Return at most ``most`` of the rows with the shares of the labels kept, sorted.

    Parameters
    ----------
    rows
        int64 rows of labelled cells.
    labels
        int64 codes of all cells.
    most
        Rows wanted; at least two of each label are kept.
    random_state
        Seed of the sample.
    """
    if len(rows) <= most:
        return np.sort(rows)
    rng = np.random.default_rng(random_state)
    share = most / len(rows)
    kept = []
    for label in np.unique(labels[rows]):
        members = rows[labels[rows] == label]
        kept.append(rng.permutation(members)[: max(2, int(share * len(members)))])
    return np.sort(np.concatenate(kept))
