"""Turn logits into labels, confidences, unknown flags and label sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from sctabnet.model.calibration import Calibration
from sctabnet.uncertainty.conformal_limits import conformal_limits
from sctabnet.uncertainty.set_distances import set_distances
from sctabnet.uncertainty.set_widening import set_widening
from sctabnet.uncertainty.unknown_score import UnknownScore
from sctabnet.uncertainty.unknown_threshold import unknown_threshold

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of n cells.

    Attributes
    ----------
    codes
        int64 (n,), most probable label.
    confidence, margin
        float64 (n,), its probability, and by how much it exceeds that of the next label.
    strangeness
        float64 (n,), what the logits add to the score of :meth:`LabelJudge.unknown`.
    probability
        float64 (n, c), rows sum to 1; 0 for labels that were ruled out.
    set_distances
        float16 (n, c), how far each label is from the cell's label set, or None if no coverage was
        asked for.
    """

    codes: NDArray[np.int64]
    confidence: Array
    margin: Array
    strangeness: Array
    probability: Array
    set_distances: NDArray[np.float16] | None


class LabelJudge:
    """Judges cells by what the model said of held-out reference cells.

    Parameters
    ----------
    calibration
        Logits and true labels of held-out reference cells.
    log_temperature
        Logarithm of the temperature that logits are divided by.
    allowed
        bool (c,), labels that may be given. Probabilities are renormalised over them, and only
        calibration cells of these labels count.
    false_positive_rate
        Share of cells of known types that may be flagged as unknown.
    coverage
        Probability with which a label set must hold the true label; None makes no sets.

    Raises
    ------
    ValueError
        If a rate does not lie between 0 and 1.
    """

    def __init__(
        self,
        calibration: Calibration,
        log_temperature: float,
        allowed: NDArray[np.bool_],
        *,
        false_positive_rate: float = 0.05,
        coverage: float | None = None,
    ) -> None:
        self._temperature = float(np.exp(log_temperature))
        self._allowed = allowed
        labels = calibration.labels.numpy()
        kept = allowed[labels]
        # a calibration without a cell of the allowed labels says nothing about any of them
        kept = kept if kept.any() else np.ones_like(kept)
        self.logits = self.scaled(calibration.logits.numpy()[kept])
        self.labels = labels[kept]
        distances = None
        if calibration.distances is not None:
            distances = calibration.distances.numpy()[kept].astype(np.float64)
            distances = distances.reshape(len(distances), -1)
        self._unknown_score = UnknownScore(self.logits, distances)
        scores = self._unknown_score.of_logits(self.logits)
        if distances is not None:
            scores += self._unknown_score.of_distances(distances, other_batch=False)
        self.threshold = unknown_threshold(
            scores[np.isfinite(scores)], false_positive_rate=false_positive_rate
        )
        self._limits = None
        if coverage is not None:
            probability = softmax(self.logits, axis=1)
            self._limits = conformal_limits(probability, self.labels, coverage=coverage)
            known = np.where(np.isfinite(scores), scores, -np.inf) <= self.threshold
            self._top_distances = _of_top(
                set_distances(probability, self._limits), probability.argmax(1)
            )[known]

    def scaled(self, logits: NDArray[np.floating]) -> Array:
        """Return (n, c) logits at the temperature, minus infinity for labels ruled out."""
        return np.where(self._allowed, logits.astype(np.float64) / self._temperature, -np.inf)

    def __call__(self, logits: NDArray[np.floating]) -> Judgement:
        """Judge cells by their logits (n, c), before temperature."""
        scaled = self.scaled(logits)
        probability = softmax(scaled, axis=1)
        first_two = -np.partition(-probability, 1, axis=1)[:, :2]
        distances = None
        if self._limits is not None:
            distances = set_distances(probability, self._limits)
            distances[:, ~self._allowed] = np.inf
        return Judgement(
            codes=probability.argmax(1),
            confidence=first_two[:, 0],
            margin=first_two[:, 0] - first_two[:, 1],
            strangeness=self._unknown_score.of_logits(scaled),
            probability=probability,
            set_distances=distances,
        )

    def label_sets(
        self,
        set_distances: NDArray[np.float16],
        codes: NDArray[np.int64],
        unknown: NDArray[np.bool_],
    ) -> tuple[NDArray[np.bool_], float]:
        """Return the sets (n, c) of a whole query, and by how much its limits were raised.

        Parameters
        ----------
        set_distances, codes
            Of the judgements of all cells.
        unknown
            bool (n,), cells that are flagged as unknown.
        """
        top = _of_top(set_distances, codes)[~unknown]
        widening = set_widening(top, self._top_distances)
        return set_distances <= widening, widening

    def unknown(self, strangeness: Array, distances: Array | None) -> tuple[Array, Any]:
        """Return how strange the cells of a query are, and bool (n,), whether too strange.

        Parameters
        ----------
        strangeness
            float64 (n,), of the judgements of all cells.
        distances
            float64 (n, k), of all cells to the nearest type; None if the model holds none.
        """
        if distances is not None:
            strangeness = strangeness + self._unknown_score.of_distances(distances)
        return strangeness, strangeness > self.threshold


def _of_top(set_distances: NDArray[np.float16], codes: NDArray[np.int64]) -> NDArray[np.float16]:
    return set_distances[np.arange(len(codes)), codes]
