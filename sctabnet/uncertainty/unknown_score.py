"""How strange a cell is to a model: to its label head, and to the types' centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ENOUGH = 10  # cells of a label before its own distribution is used
_ENOUGH_FOR_SHIFT = 50  # cells of a query before it tells how far off its batch is
_QUANTILE = 0.25  # of distances: up to three quarters of a query may be unknown
_LARGEST_SHIFT = 4.0  # factor that another chemistry may put on distances


class UnknownScore:
    r"""Fisher's combination of conformal p-values: of the largest logit and of each distance.

    The first is the share of held-out cells with the same predicted label whose largest logit is
    no larger: label by label, because the logits of some types are always small. The others are the
    shares of held-out cells that are no nearer to a known type, by each distance of
    :class:`~sctabnet.model.type_distance.TypeDistance`. Any alone misses some: a type between two
    known ones has small logits, a type off to one side may have large ones and be far from all,
    or express what no known type does. The score is :math:`-\sum_i \log p_i`, the first alone
    where the model holds no distances.

    Another chemistry moves all cells away from the types. A query of at least 50 cells tells how
    far: its distances are divided by the ratio of their lower quartile to that of the held-out
    cells, between 1 and 4, so that known cells keep the stated rate of false alarms. The cost is
    that a query of nothing but unknown cells looks in part like one of another chemistry.

    Chosen among largest probability, energy (Liu et al. 2020, arXiv 2010.03759), entropy, distances
    and their combinations by leaving types out of one chemistry and asking about another;
    ``workflows/benchmarks/unknown.py`` prints the comparison.

    Parameters
    ----------
    logits
        float64 (m, c) of held-out cells, at the temperature.
    distances
        float64 (m, k) of the same cells, NaN where they are not known, or None.
    """

    def __init__(self, logits: Array, distances: Array | None) -> None:
        predicted, largest = logits.argmax(1), logits.max(1)
        self._all = np.sort(largest)
        self._of_label = {
            int(label): np.sort(largest[predicted == label])
            for label in np.unique(predicted)
            if np.sum(predicted == label) >= _ENOUGH
        }
        self._distances = np.zeros((0, 0))
        if distances is not None:
            self._distances = np.sort(distances[np.isfinite(distances).all(1)], axis=0)

    def of_logits(self, logits: Array) -> Array:
        """Return float64 (n,), what the largest of the logits (n, c) adds to the score."""
        predicted, largest = logits.argmax(1), logits.max(1)
        share = np.ones(len(logits))
        for label in np.unique(predicted):
            known = self._of_label.get(int(label), self._all)
            cells = predicted == label
            share[cells] = _share(np.searchsorted(known, largest[cells], side="right"), known)
        return -np.log(share)

    def of_distances(self, distances: Array, *, other_batch: bool = True) -> Array:
        """Return float64 (n,), what the distances (n, k) add to the score; NaN for NaN.

        Parameters
        ----------
        distances
            Of all cells of a query.
        other_batch
            Allow for a query from another batch than the held-out cells.
        """
        total = np.zeros(len(distances))
        if not len(self._distances):
            return total
        for known, found in zip(self._distances.T, distances.T, strict=True):
            if other_batch and len(found) >= _ENOUGH_FOR_SHIFT:
                expected = max(np.quantile(known, _QUANTILE), np.finfo(np.float64).tiny)
                ratio = np.quantile(found, _QUANTILE) / expected
                found = found / np.clip(ratio, 1.0, _LARGEST_SHIFT)
            farther = len(known) - np.searchsorted(known, found, side="left")
            total += np.where(np.isfinite(found), -np.log(_share(farther, known)), np.nan)
        return total


def _share(counts: NDArray[np.int64], of: Array) -> Array:
    return (counts + 1) / (len(of) + 1)
