"""Weights with which every label counts alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def label_weights(labels: NDArray[np.int64], n_labels: int | None = None) -> NDArray[np.float64]:
    """Return a weight for each label: inversely as it has cells, 1 on average over the cells.

    What is learned so takes every type for equally likely. A new atlas has other shares of types
    than the reference; of those nothing is known, and what the reference's own shares would add
    to the logits of its most frequent types is a guess that costs the rare ones.

    Parameters
    ----------
    labels
        int64 (n,), codes.
    n_labels
        Number of labels; by default up to the highest code. A label without cells weighs 0.
    """
    counts = np.bincount(labels, minlength=n_labels or 0)
    present = counts > 0
    weights = len(labels) / np.maximum(counts, 1) / max(present.sum(), 1)
    return np.where(present, weights, 0.0)
