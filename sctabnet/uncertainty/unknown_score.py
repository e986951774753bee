"""How strange a cell is to a model: to its label head, and to the types' centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ENOUGH = 10  # cells of a label before its own distribution is used


class UnknownScore:
    r"""Fisher's combination of two conformal p-values: of the largest logit and of the distance.

    The first is the share of held-out cells with the same predicted label whose largest logit is
    no larger: class by class, because the logits of some types are always small. The second is the
    share of held-out cells that are no nearer to a known type. Either alone misses some: a type
    between two known ones has small logits, a type off to one side may have large ones and be far
    from all. The score is :math:`-\log p_1 - \log p_2`, or the first alone where the model holds
    no distances.

    Left-out types of three chemistries, area under the ROC curve, trained on one chemistry and
    asked about another (``workflows/benchmarks/unknown.py``): largest probability .75, energy
    (Liu et al. 2020, arXiv 2010.03759) .77, distance alone .84, this .87.

    Parameters
    ----------
    logits
        float64 (m, c) of held-out cells, at the temperature.
    distances
        float64 (m,) of the same cells, NaN where it is not known, or None.
    """

    def __init__(self, logits: Array, distances: Array | None) -> None:
        predicted, largest = logits.argmax(1), logits.max(1)
        self._all = np.sort(largest)
        self._of_label = {
            int(label): np.sort(largest[predicted == label])
            for label in np.unique(predicted)
            if np.sum(predicted == label) >= _ENOUGH
        }
        self._distances = None
        if distances is not None and np.isfinite(distances).any():
            self._distances = np.sort(distances[np.isfinite(distances)])

    def __call__(self, logits: Array, distances: Array | None) -> Array:
        """Return float64 (n,), the larger the stranger.

        Parameters
        ----------
        logits
            float64 (n, c), at the temperature.
        distances
            float64 (n,), or None if the model holds none. NaN gives NaN.
        """
        predicted, largest = logits.argmax(1), logits.max(1)
        share = np.ones(len(logits))
        for label in np.unique(predicted):
            known = self._of_label.get(int(label), self._all)
            cells = predicted == label
            share[cells] = _share(np.searchsorted(known, largest[cells], side="right"), known)
        score = -np.log(share)
        if self._distances is not None:
            assert distances is not None, "a model with distances measures them"
            nearer = np.searchsorted(self._distances, distances, side="left")
            farther = _share(len(self._distances) - nearer, self._distances)
            score -= np.where(np.isfinite(distances), np.log(farther), np.nan)
        return score


def _share(counts: NDArray[np.int64], of: Array) -> Array:
    return (counts + 1) / (len(of) + 1)
