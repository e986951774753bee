"""Above which score a cell is called unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet import _checks


def unknown_threshold(scores: NDArray[np.float64], *, false_positive_rate: float = 0.05) -> float:
    """Return the score that no more than a given share of known cells exceeds.

    The (m + 1)(1 - rate)-th smallest score of m held-out cells, rounded up, as in split conformal
    prediction: a further known cell exceeds it with at most that probability.

    Parameters
    ----------
    scores
        float64 (m,) of held-out reference cells of known types, from
        :func:`~sctabnet.uncertainty.unknown_score.unknown_score`.
    false_positive_rate
        Share of known cells that may be called unknown.

    Returns
    -------
    Threshold: a cell with a larger score is unknown. Infinite, so that no cell is, where there
    are too few held-out cells for so small a rate.

    Raises
    ------
    ValueError
        If the rate does not lie between 0 and 1.
    """
    _checks.check_share(false_positive_rate, argument="false_positive_rate", example=0.05)
    # rounding guards against a product a hair above the whole number that it is
    rank = int(np.ceil(np.round((len(scores) + 1) * (1 - false_positive_rate), 9)))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf
