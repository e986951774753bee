"""A number to watch on an evaluation set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics

from sctabnet._errors import InputError


@dataclass(frozen=True, slots=True)
class Metric:
    """A named score of predictions.

    Parameters
    ----------
    name
        Key in ``history_``.
    function
        ``function(y_true, y_score) -> float``. Classifiers pass class codes ``(n,)`` (positions in
        ``classes_``) and probabilities ``(n, c)``; regressors pass targets and predictions, both
        ``(n, outputs)``. A multi-task classifier takes the mean over its tasks.
    maximise
        Whether a larger value is better.

    Examples
    --------
    >>> import numpy as np
    >>> from sctabnet.tabular import Metric
    >>> right = Metric("right", lambda y, p: float(np.mean(y == p.argmax(1))), maximise=True)
    >>> right.function(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    0.5
    """

    name: str
    function: Callable[[Any, Any], float]
    maximise: bool


def _on_labels(function: Callable[..., float], **options: Any) -> Callable[[Any, Any], float]:
    return lambda y_true, y_score: function(y_true, y_score.argmax(1), **options)


def _auc(y_true: Any, y_score: Any) -> float:
    """Area under the ROC curve, one class against the rest; NaN if a class is missing."""
    if len(np.unique(y_true)) < y_score.shape[1]:
        return float("nan")
    if y_score.shape[1] == 2:
        return float(metrics.roc_auc_score(y_true, y_score[:, 1]))
    return float(metrics.roc_auc_score(y_true, y_score, multi_class="ovr"))


def _logloss(y_true: Any, y_score: Any) -> float:
    chosen = y_score[np.arange(len(y_true)), y_true]
    return float(-np.log(np.maximum(chosen, 1e-15)).mean())


CLASSIFICATION = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _on_labels(metrics.accuracy_score), True),
        Metric("balanced_accuracy", _on_labels(metrics.recall_score, average="macro"), True),
        Metric("macro_f1", _on_labels(metrics.f1_score, average="macro"), True),
        Metric("auc", _auc, True),
        Metric("logloss", _logloss, False),
    )
}
REGRESSION = {
    metric.name: metric
    for metric in (
        Metric("mse", metrics.mean_squared_error, False),
        Metric("mae", metrics.mean_absolute_error, False),
        Metric("rmse", metrics.root_mean_squared_error, False),
        Metric("r2", metrics.r2_score, True),
    )
}


def metric_list(
    wanted: str | Metric | list[str | Metric] | None, known: dict[str, Metric], default: str
) -> list[Metric]:
    """Return the metrics that the user asked for, by name or as objects."""
    names = [default] if wanted is None else wanted if isinstance(wanted, list) else [wanted]
    chosen = []
    for name in names:
        if isinstance(name, str) and name not in known:
            raise InputError(
                f"There is no metric named {name!r}. Found {sorted(known)}. "
                "Choose one of these or pass a sctabnet.tabular.Metric."
            )
        chosen.append(known[name] if isinstance(name, str) else name)
    return chosen
