"""How well a model names cells that it was not trained on, from its calibration cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sctabnet.model.calibration import Calibration
from sctabnet.model.calibration_error import calibration_error


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Scores over m held-out reference cells of c labels.

    Parameters
    ----------
    n
        int64 (c,), cells of each label.
    f1
        float64 (c,), F1 of each label; NaN for labels without a cell.
    taken_for
        int64 (c,), the label that most of a label's wrong cells got; -1 if none is wrong.
    taken_share
        float64 (c,), share of the label's cells that got it.
    accuracy, macro_f1
        Over all cells; mean over the labels that have cells.
    calibration_error
        Expected calibration error of the confidences over 15 bins.
    """

    n: NDArray[np.int64]
    f1: NDArray[np.float64]
    taken_for: NDArray[np.int64]
    taken_share: NDArray[np.float64]
    accuracy: float
    macro_f1: float
    calibration_error: float


def label_scores(calibration: Calibration, log_temperature: float) -> LabelScores:
    """Return the scores of the most probable labels.

    Parameters
    ----------
    calibration
        What the model said of at least one held-out cell.
    log_temperature
        Logarithm of the temperature that logits are divided by.
    """
    probability = calibration.probability(log_temperature)
    truth, given = calibration.labels.numpy(), probability.argmax(1)
    c = probability.shape[1]
    confusion = np.bincount(truth * c + given, minlength=c * c).reshape(c, c)
    n, right = confusion.sum(1), confusion.diagonal()
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(n > 0, 2 * right / (n + confusion.sum(0)), np.nan)
        wrong = confusion - np.diag(right)
        taken_share = np.where(n > 0, wrong.max(1) / n, np.nan)
    return LabelScores(
        n=n,
        f1=f1,
        taken_for=np.where(wrong.max(1) > 0, wrong.argmax(1), -1),
        taken_share=taken_share,
        accuracy=float(right.sum() / n.sum()),
        macro_f1=float(np.nanmean(f1)),
        calibration_error=calibration_error(truth == given, probability.max(1)),
    )
