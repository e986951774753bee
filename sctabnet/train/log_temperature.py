"""The temperature at which held-out logits say what they mean."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BOUNDS = (-2.0, 2.0)


def log_temperature(
    logits: NDArray[np.float64], labels: NDArray[np.int64], *, prior: float = math.inf
) -> float:
    """Return the logarithm of the temperature that minimises the log-loss.

    Guo et al. (2017), "On calibration of modern neural networks" (arXiv 1706.04599).

    Parameters
    ----------
    logits
        float64 (n, c), of cells that were not trained on.
    labels
        int64 (n,), their true labels.
    prior
        Standard deviation of the logarithm before any cell is seen; by default none is assumed.
    """
    cells = np.arange(len(labels))

    def loss(candidate: float) -> float:
        penalty = (candidate / prior) ** 2 / (2 * max(len(labels), 1))
        losses = -log_softmax(logits / np.exp(candidate), axis=1)[cells, labels]
        return float(losses.mean() + penalty)

    return float(minimize_scalar(loss, bounds=BOUNDS, method="bounded").x)
