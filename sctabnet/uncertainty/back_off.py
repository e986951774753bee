"""Say no more than is safe: back off from a cell type to the deepest term that holds it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sctabnet._errors import InputError
from sctabnet.data.cell_ontology import CellOntology

Array = NDArray[np.float64]


class BackOff:
    """The deepest ancestor of a cell's most probable label whose probability is high enough.

    The probability of a term is the sum over the labels that are it or a kind of it, so that a
    parent is never less probable than its children. How high is enough is learned from held-out
    cells: the smallest threshold at which, as at all larger ones, the term misses the true label
    for at most one less ``coverage`` of cells (conformal risk control, Angelopoulos et al. 2022,
    arXiv 2208.02814, with the loss made monotone in the threshold).

    Parameters
    ----------
    ontology
        Terms and their ancestors.
    label_terms
        Term of each of the c labels, in their order.
    calibration
        (m, c) calibrated probabilities of held-out reference cells.
    labels
        int64 (m,) their true labels.
    coverage
        Share of cells whose term must hold the true label.

    Attributes
    ----------
    terms
        All terms that may be said: the labels' and their ancestors.
    threshold
        A term is said if its probability is larger, or if it holds all labels.

    Raises
    ------
    ValueError
        If ``coverage`` does not lie between 0 and 1, or the labels have no ancestor in common.
    """

    def __init__(
        self,
        ontology: CellOntology,
        label_terms: Sequence[str],
        calibration: Array,
        labels: NDArray[np.int64],
        *,
        coverage: float = 0.9,
    ) -> None:
        if not 0 < coverage < 1:
            raise InputError(f"coverage must lie between 0 and 1. Found {coverage}. Try 0.9.")
        ancestors = [ontology.ancestors(term) for term in label_terms]
        # the fewer labels below a term and the more ancestors above, the more it says
        held = {t: sum(t in of for of in ancestors) for t in frozenset().union(*ancestors)}
        self.terms = sorted(held, key=lambda t: (held[t], -len(ontology.ancestors(t)), t))
        self._holds = np.array([[t in of for t in self.terms] for of in ancestors])
        if not self._holds.all(0).any():
            raise InputError(
                "The labels have no ancestor in common, so that there may be nothing safe to say. "
                f"Found {list(label_terms)[:5]}. Give terms of cells, such as CL:0000084."
            )
        self.threshold = self._learn(calibration, labels, coverage)

    def __call__(self, probability: NDArray[np.floating]) -> tuple[NDArray[np.int64], Array]:
        """Return the position in :attr:`terms` and the probability of each cell's term."""
        of_terms, ancestor = self._candidates(probability.astype(np.float64))
        chosen = (ancestor & (of_terms > self.threshold)).argmax(1)
        return chosen, np.minimum(of_terms[np.arange(len(chosen)), chosen], 1.0)

    def _candidates(self, probability: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Return (n, terms) probabilities, infinite where all is held, and who may be chosen."""
        of_terms = probability @ self._holds
        of_terms[:, self._holds.all(0)] = np.inf
        return of_terms, self._holds[probability.argmax(1)]

    def _learn(self, probability: Array, labels: NDArray[np.int64], coverage: float) -> float:
        of_terms, ancestor = self._candidates(probability)
        # a term is said at thresholds below its probability and not below that of one before it
        before = np.maximum.accumulate(np.where(ancestor, of_terms, -np.inf), axis=1)
        said = ancestor & (of_terms > np.pad(before, ((0, 0), (1, 0)), constant_values=-1)[:, :-1])
        wrong = said & ~self._holds[labels]
        largest = np.sort(np.where(wrong, of_terms, -1.0).max(1))[::-1]
        may_miss = int(np.floor(np.round((1 - coverage) * (len(labels) + 1), 9))) - 1
        return float(largest[may_miss]) if 0 <= may_miss < len(labels) else np.inf
