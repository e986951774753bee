"""Below which confidence a cell is called unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unknown_threshold(
    probability: NDArray[np.float64], *, false_positive_rate: float = 0.05
) -> float:
    """Return the confidence that a given share of known cells falls below.

    Parameters
    ----------
    probability
        (m, c) calibrated probabilities of held-out reference cells of known types.
    false_positive_rate
        Share of known cells that may be called unknown.

    Returns
    -------
    Threshold on the largest probability of a cell: below it, the cell is unknown.

    Raises
    ------
    ValueError
        If the rate does not lie between 0 and 1.
    """
    if not 0 < false_positive_rate < 1:
        msg = (
            "The false-positive rate of unknown cells must lie between 0 and 1. Found "
            f"{false_positive_rate}. Try 0.05."
        )
        raise ValueError(msg)
    return float(np.quantile(probability.max(1), false_positive_rate, method="lower"))
