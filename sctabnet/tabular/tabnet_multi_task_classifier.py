"""TabNet for several categorical targets at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor
from torch.nn import functional as F

from sctabnet._errors import InputError
from sctabnet.tabular.class_codes import classes_from_json, classes_to_json, codes_of
from sctabnet.tabular.metric import CLASSIFICATION, Metric
from sctabnet.tabular.tabnet_supervised import Loss, TabNetSupervised
from sctabnet.tabular.weighted_mean import weighted_mean


@dataclass(eq=False, repr=False, kw_only=True)
class TabNetMultiTaskClassifier(ClassifierMixin, TabNetSupervised):
    """Classify the rows of a table in several ways with one TabNet: one output map per task.

    ``y`` is a data frame or array ``(n, tasks)``, each column with labels of its own. The loss and
    every metric are means over the tasks. The parameters below join those of every tabular
    estimator.

    Attributes
    ----------
    classes_
        One sorted array of class labels per task.
    feature_importances_, history_, network_
        As for :class:`TabNetClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from sctabnet.tabular import TabNetMultiTaskClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> tasks = np.column_stack([y, X[:, 0] > 13])
    >>> classifier = TabNetMultiTaskClassifier(max_epochs=5, random_state=0).fit(X, tasks)
    >>> [len(classes) for classes in classifier.classes_]
    [3, 2]
    """

    loss_fn: Loss | Sequence[Loss] | None = None
    """Maps logits ``(n, c)`` and class codes ``(n,)`` to a loss; one for all tasks, or one each."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    def _fit_targets(
        self, y: Any, weights_n: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        columns = _columns(y)
        self.classes_ = [np.unique(labels_n) for labels_n in columns]
        for task, classes_c in enumerate(self.classes_):
            if len(classes_c) < 2:
                raise InputError(
                    f"Every task needs two classes. Found 1 class in task {task}. "
                    "Leave the task out, or pass rows of another class."
                )
        if isinstance(self.loss_fn, Sequence) and len(self.loss_fn) != len(columns):
            raise InputError(
                f"loss_fn must be one function or one per task. Found {len(self.loss_fn)} for "
                f"{len(columns)} tasks. Pass {len(columns)}."
            )
        return self._encode_targets(y), weights_n

    def _encode_targets(self, y: Any) -> NDArray[Any]:
        columns = _columns(y)
        if len(columns) != len(self.classes_):
            raise InputError(
                f"y has another number of tasks. Found {len(columns)}, fitted with "
                f"{len(self.classes_)}. Pass one column per task."
            )
        return np.stack(
            [codes_of(y_n, c) for y_n, c in zip(columns, self.classes_, strict=True)], 1
        )

    def _n_outputs(self) -> list[int]:
        return [len(classes_c) for classes_c in self.classes_]

    def _loss(
        self, outputs: tuple[Tensor, ...], targets: Tensor, weights_n: Tensor | None
    ) -> Tensor:
        losses = []
        for task, output_nc in enumerate(outputs):
            loss_fn = self.loss_fn[task] if isinstance(self.loss_fn, Sequence) else self.loss_fn
            if loss_fn is None:
                loss = F.cross_entropy(output_nc, targets[:, task], reduction="none")
            else:
                loss = loss_fn(output_nc, targets[:, task])
            losses.append(weighted_mean(loss, weights_n))
        return sum(losses[1:], losses[0]) / len(losses)

    def _scores(self, outputs: list[NDArray[np.float32]]) -> Any:
        return [softmax(output_nc.astype(np.float64), axis=1) for output_nc in outputs]

    def _apply(self, metric: Metric, targets: NDArray[Any], scores: Any) -> float:
        values = [metric.function(targets[:, task], p_nc) for task, p_nc in enumerate(scores)]
        return float(np.mean(values))

    def _known_metrics(self) -> tuple[dict[str, Metric], str]:
        return CLASSIFICATION, "logloss"

    def predict_proba(self, X: Any) -> list[NDArray[np.float64]]:
        """Return class probabilities, one ``(n, c)`` per task, columns as in ``classes_``."""
        probabilities: list[NDArray[np.float64]] = self._scores(self._raw_outputs(X))
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row and task, ``(n, tasks)``."""
        outputs = self._raw_outputs(X)
        columns = [
            classes_c[output_nc.argmax(1)]
            for classes_c, output_nc in zip(self.classes_, outputs, strict=True)
        ]
        same = len({column.dtype.kind for column in columns}) == 1
        return np.stack(columns if same else [column.astype(object) for column in columns], 1)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy, averaged over the tasks."""
        right_nt = np.stack(_columns(y), 1) == self.predict(X)
        return float(np.average(right_nt.mean(1), weights=sample_weight))

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "classes": [classes_to_json(c) for c in self.classes_]}

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        self.classes_ = [classes_from_json(c) for c in state["classes"]]


def _columns(y: Any) -> list[NDArray[Any]]:
    if not hasattr(y, "iloc"):
        y = np.asarray(y)
    if y.ndim != 2:
        raise InputError(
            f"y must have one column per task. Found {y.ndim} dimension(s). "
            "Pass an array of shape (n, tasks), or use TabNetClassifier for one task."
        )
    columns = [
        y.iloc[:, t].to_numpy() if hasattr(y, "iloc") else y[:, t] for t in range(y.shape[1])
    ]
    for labels_n in columns:
        assert_all_finite(labels_n, input_name="y")
        check_classification_targets(labels_n)
    return columns
