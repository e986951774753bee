"""Turn logits into labels, confidences, unknown flags and label sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from sctabnet.model.calibration import Calibration
from sctabnet.uncertainty.conformal_limits import conformal_limits
from sctabnet.uncertainty.conformal_sets import conformal_sets
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
    label_sets
        bool (n, c), or None if no coverage was asked for.
    """

    codes: NDArray[np.int64]
    confidence: Array
    margin: Array
    strangeness: Array
    probability: Array
    label_sets: NDArray[np.bool_] | None


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
        self._unknown_score = UnknownScore(self.logits, distances)
        scores = self._unknown_score.of_logits(self.logits)
        if distances is not None:
            scores += self._unknown_score.of_distances(distances, other_batch=False)
        self.threshold = unknown_threshold(
            scores[np.isfinite(scores)], false_positive_rate=false_positive_rate
        )
        self._limits = None
        if coverage is not None:
            self._limits = conformal_limits(
                softmax(self.logits, axis=1), self.labels, coverage=coverage
            )

    def scaled(self, logits: NDArray[np.floating]) -> Array:
        """Return (n, c) logits at the temperature, minus infinity for labels ruled out."""
        return np.where(self._allowed, logits.astype(np.float64) / self._temperature, -np.inf)

    def __call__(self, logits: NDArray[np.floating]) -> Judgement:
        """Judge cells by their logits (n, c), before temperature."""
        scaled = self.scaled(logits)
        probability = softmax(scaled, axis=1)
        first_two = -np.partition(-probability, 1, axis=1)[:, :2]
        sets = None
        if self._limits is not None:
            sets = conformal_sets(probability, self._limits) & self._allowed
        return Judgement(
            codes=probability.argmax(1),
            confidence=first_two[:, 0],
            margin=first_two[:, 0] - first_two[:, 1],
            strangeness=self._unknown_score.of_logits(scaled),
            probability=probability,
            label_sets=sets,
        )

    def unknown(self, strangeness: Array, distances: Array | None) -> tuple[Array, Any]:
        """Return how strange the cells of a query are, and bool (n,), whether too strange.

        Parameters
        ----------
        strangeness
            float64 (n,), of the judgements of all cells.
        distances
            float64 (n,), of all cells to the nearest type; None if the model holds none.
        """
        if distances is not None:
            strangeness = strangeness + self._unknown_score.of_distances(distances)
        return strangeness, strangeness > self.threshold
