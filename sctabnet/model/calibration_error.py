"""How far confidences are from the share of right answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def calibration_error(correct: ArrayLike, confidence: ArrayLike, *, n_bins: int = 15) -> float:
    """Return the expected calibration error over equal-width bins of confidence.

    Parameters
    ----------
    correct
        bool (n,), whether the label of each cell is right.
    confidence
        (n,) confidence of that label, between 0 and 1.
    n_bins
        Bins between 0 and 1 (Guo et al. 2017, arXiv 1706.04599, use 15).

    Returns
    -------
    Mean over cells of the distance between confidence and accuracy of their bin.

    Examples
    --------
    >>> calibration_error([True, False], [0.5, 0.5])
    0.0
    """
    right, stated = np.asarray(correct, dtype=float), np.asarray(confidence, dtype=float)
    bins = np.clip((stated * n_bins).astype(int), 0, n_bins - 1)
    gaps = np.bincount(bins, right - stated, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(right))
