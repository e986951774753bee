"""Label sets that hold the true label with a stated probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def conformal_sets(
    probability: NDArray[np.float64],
    calibration: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    coverage: float = 0.9,
) -> NDArray[np.bool_]:
    """Return class-conditional split-conformal label sets.

    The score is one less the probability of a label. A label with enough calibration cells has
    its own quantile (Mondrian conformal prediction, Vovk 2012); the others share that of all
    cells. For cells exchangeable with the calibration cells the set then holds the true label
    with at least the stated probability, label by label.

    Parameters
    ----------
    probability
        (n, c) calibrated probabilities of the cells to judge.
    calibration
        (m, c) calibrated probabilities of held-out reference cells.
    labels
        int64 (m,) their true labels.
    coverage
        Probability with which the set must hold the true label.

    Returns
    -------
    bool (n, c); a set may be empty (nothing fits) or hold several labels (undecided).

    Raises
    ------
    ValueError
        If ``coverage`` does not lie between 0 and 1.
    """
    if not 0 < coverage < 1:
        msg = f"coverage must lie between 0 and 1. Found {coverage}. Try 0.9."
        raise ValueError(msg)
    scores = 1 - calibration[np.arange(len(labels)), labels]
    shared = _quantile(scores, coverage)
    enough = np.ceil(1 / (1 - coverage)) - 1
    limits = np.full(probability.shape[1], shared)
    for label in range(probability.shape[1]):
        own = scores[labels == label]
        if len(own) >= enough:
            limits[label] = _quantile(own, coverage)
    return (1 - probability) <= limits + 1e-12


def _quantile(scores: NDArray[np.float64], coverage: float) -> float:
    """Return the ceil((m + 1) coverage)-th smallest score, infinity if there are too few."""
    rank = int(np.ceil((len(scores) + 1) * coverage))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf
