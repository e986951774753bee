"""What held-out cells say of a regression, every label alike, whatever its temperature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from sctabnet.train.log_temperature import log_temperature


def held_out_losses(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each cell's log-loss at the best temperature, weighted so that labels count alike.

    The temperature is fitted after the regression anyway: a penalty must not win by shrinking the
    logits. And a common label has many cells that a strong penalty settles, while a rare one is
    lost to it.

    Parameters
    ----------
    logits
        float64 (n, c) of cells that were not trained on.
    labels
        int64 (n,), their true labels.

    Returns
    -------
    float64 (n,), whose mean is the mean over labels of the mean over their cells.
    """
    scaled = logits / np.exp(log_temperature(logits, labels))
    losses = -log_softmax(scaled, axis=1)[np.arange(len(labels)), labels]
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return losses * (len(labels) / (len(counts) * counts[codes]))
