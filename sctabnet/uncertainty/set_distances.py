"""How far every label is from a cell's label set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-7  # of float32 probabilities: a score equal to the limit must count as below it
_SMALLEST, _CLIP = 1e-3, 1e-6


def set_distances(
    probability: NDArray[np.floating], limits: NDArray[np.float64]
) -> NDArray[np.float16]:
    """Return by how much a label's limit must rise, in log-odds, for it to enter a cell's set.

    The labels at 0 are the split-conformal set: for cells exchangeable with the calibration cells
    it holds the true label with at least the probability that the limits were made for, label by
    label. A set may be empty (nothing fits) or hold several labels (undecided).

    Parameters
    ----------
    probability
        (n, c) calibrated probabilities.
    limits
        float64 (c,), from :func:`~sctabnet.uncertainty.conformal_limits.conformal_limits`.

    Returns
    -------
    float16 (n, c).
    """
    scores = 1 - probability.astype(np.float64)
    above = np.maximum(_log_odds(scores) - _log_odds(limits), _SMALLEST)
    return np.where(scores <= limits + _ROUNDING, 0.0, above).astype(np.float16)


def _log_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(scores, _CLIP, 1 - _CLIP)
    return np.log(clipped / (1 - clipped))
