"""How far every label is from a cell's label set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet.uncertainty.conformal_sets import conformal_sets

_SMALLEST, _CLIP = 1e-3, 1e-6


def set_distances(
    probability: NDArray[np.floating], limits: NDArray[np.float64]
) -> NDArray[np.float16]:
    """Return by how much a label's limit must rise, in log-odds, for it to enter a cell's set.

    Parameters
    ----------
    probability
        (n, c) calibrated probabilities.
    limits
        float64 (c,), from :func:`~sctabnet.uncertainty.conformal_limits.conformal_limits`.

    Returns
    -------
    float16 (n, c), 0 for labels of :func:`~sctabnet.uncertainty.conformal_sets.conformal_sets`.
    """
    scores = 1 - probability.astype(np.float64)
    above = np.maximum(_log_odds(scores) - _log_odds(limits), _SMALLEST)
    return np.where(conformal_sets(probability, limits), 0.0, above).astype(np.float16)


def _log_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(scores, _CLIP, 1 - _CLIP)
    return np.log(clipped / (1 - clipped))
