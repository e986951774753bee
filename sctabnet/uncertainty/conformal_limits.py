"""How improbable a label may be and still belong to the set, label by label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet import _checks


def conformal_limits(
    calibration: NDArray[np.float64], labels: NDArray[np.int64], *, coverage: float = 0.9
) -> NDArray[np.float64]:
    """Return the largest score with which each label enters a conformal label set.

    The score is one less the probability of a label. A label with enough calibration cells has
    its own quantile (Mondrian conformal prediction, Vovk 2012, arXiv 1209.2673): the
    ceil((m + 1) coverage)-th smallest of its m cells. The others take the larger of the quantile of
    all cells and their own largest score: with so few cells no limit below 1 keeps the promise
    for them, and this is as near to it as the data come.

    Parameters
    ----------
    calibration
        (m, c) calibrated probabilities of held-out reference cells.
    labels
        int64 (m,) their true labels.
    coverage
        Probability with which the set must hold the true label.

    Returns
    -------
    float64 (c,); infinite where no limit is large enough, so that the label is in every set.

    Raises
    ------
    ValueError
        If ``coverage`` does not lie between 0 and 1.
    """
    _checks.check_share(coverage, argument="coverage", example=0.9)
    scores = 1 - calibration[np.arange(len(labels)), labels]
    limits = np.full(calibration.shape[1], _quantile(scores, coverage))
    for label in range(calibration.shape[1]):
        own = scores[labels == label]
        limit = _quantile(own, coverage)
        limits[label] = limit if np.isfinite(limit) else max([limits[label], *own])
    return limits


def _quantile(scores: NDArray[np.float64], coverage: float) -> float:
    """Return the ceil((m + 1) coverage)-th smallest score, infinity if there are too few."""
    # rounding guards against (m + 1) * coverage a hair above the whole number that it is
    rank = int(np.ceil(np.round((len(scores) + 1) * coverage, 9)))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf
