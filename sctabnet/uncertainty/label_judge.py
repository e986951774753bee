"""Turn logits into labels, confidences, unknown flags and label sets."""

from __future__ import annotations

from dataclasses import dataclass

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
    unknown, unknown_score
        bool (n,), none of the known labels; float64 (n,), how strange, the larger the stranger.
    probability
        float64 (n, c), rows sum to 1; 0 for labels that were ruled out.
    label_sets
        bool (n, c), or None if no coverage was asked for.
    """

    codes: NDArray[np.int64]
    confidence: Array
    margin: Array
    unknown: NDArray[np.bool_]
    unknown_score: Array
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
        scores = self._unknown_score(self.logits, distances)
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

    def __call__(
        self, logits: NDArray[np.floating], distances: NDArray[np.floating] | None = None
    ) -> Judgement:
        """Judge cells.

        Parameters
        ----------
        logits
            (n, c), before temperature.
        distances
            (n,), to the nearest type; needed where the calibration holds distances.
        """
        scaled = self.scaled(logits)
        probability = softmax(scaled, axis=1)
        first_two = -np.partition(-probability, 1, axis=1)[:, :2]
        sets = None
        if self._limits is not None:
            sets = conformal_sets(probability, self._limits) & self._allowed
        score = self._unknown_score(
            scaled, None if distances is None else distances.astype(np.float64)
        )
        return Judgement(
            codes=probability.argmax(1),
            confidence=first_two[:, 0],
            margin=first_two[:, 0] - first_two[:, 1],
            unknown=score > self.threshold,
            unknown_score=score,
            probability=probability,
            label_sets=sets,
        )
