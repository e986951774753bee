"""One label per cluster of cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def majority_vote(
    codes: NDArray[np.int64], clusters: NDArray[np.int64], n_labels: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the label that most cells of each cell's cluster have, and their share.

    Of labels with equally many cells the one that comes first in the order of labels wins.

    Parameters
    ----------
    codes
        int64 (n,), label of each cell.
    clusters
        int64 (n,), cluster of each cell; a negative one is none, and such a cell keeps its label
        with a share of 1.
    n_labels
        Number of labels.

    Returns
    -------
    int64 (n,) and float64 (n,).

    Examples
    --------
    >>> labels, shares = majority_vote(np.array([0, 1, 1, 0]), np.array([0, 0, 0, -1]), 2)
    >>> labels.tolist(), shares.round(2).tolist()
    ([1, 1, 1, 0], [0.67, 0.67, 0.67, 1.0])
    """
    votes = np.zeros((int(clusters.max(initial=-1)) + 1, n_labels), dtype=np.int64)
    voting = clusters >= 0
    np.add.at(votes, (clusters[voting], codes[voting]), 1)
    winner = np.where(voting, votes.argmax(1)[clusters] if len(votes) else codes, codes)
    share = np.ones(len(codes))
    share[voting] = (votes.max(1) / votes.sum(1).clip(1))[clusters[voting]]
    return winner, share
