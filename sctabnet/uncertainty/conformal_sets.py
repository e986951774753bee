"""Label sets that hold the true label with a stated probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-7  # of float32 probabilities: a score equal to the limit must count as below it


def conformal_sets(
    probability: NDArray[np.floating], limits: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return the split-conformal label set of every cell.

    For cells exchangeable with the calibration cells the set holds the true label with at least
    the probability that the limits were made for, label by label.

    Parameters
    ----------
    probability
        (n, c) calibrated probabilities.
    limits
        float64 (c,), from :func:`~sctabnet.uncertainty.conformal_limits.conformal_limits`.

    Returns
    -------
    bool (n, c); a set may be empty (nothing fits) or hold several labels (undecided).
    """
    return (1 - probability.astype(np.float64)) <= limits + _ROUNDING
