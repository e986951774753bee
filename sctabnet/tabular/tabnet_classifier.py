"""TabNet for one categorical target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y
from torch import Tensor
from torch.nn import functional as F

from sctabnet._errors import InputError
from sctabnet.tabular.class_codes import classes_from_json, classes_to_json, codes_of
from sctabnet.tabular.metric import CLASSIFICATION, Metric
from sctabnet.tabular.tabnet_supervised import Loss, TabNetSupervised
from sctabnet.tabular.weighted_mean import weighted_mean


@dataclass(eq=False, repr=False, kw_only=True)
class TabNetClassifier(ClassifierMixin, TabNetSupervised):
    """Classify the rows of a table with TabNet.

    Columns may be numeric (with missing values) or categorical (with categories that training
    never saw); see ``categorical_features``. The parameters below join those of every tabular
    estimator (sizes, masks, minibatches, learning rate, seed).

    Attributes
    ----------
    classes_
        Class labels, sorted.
    feature_importances_
        float64 ``(g,)``, sums to 1: the masks' mass on the training rows.
    history_
        One record per epoch: loss and metrics.
    network_
        The fitted :class:`~sctabnet.nn.dense_tabnet.DenseTabNet`.

    Notes
    -----
    Arik and Pfister (2019), arXiv 1908.07442.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sctabnet.tabular import TabNetClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> classifier = TabNetClassifier(random_state=0).fit(X, y)
    >>> classifier.score(X, y) > 0.9
    True
    """

    class_weight: str | dict[Any, float] | None = None
    """Weights of the classes in the loss: "balanced", or a dictionary by label."""
    loss_fn: Loss | None = None
    """Maps logits ``(n, c)`` and class codes ``(n,)`` to a loss per row or one mean."""

    def _fit_targets(
        self, y: Any, weights_n: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        y_n = _check_y(y, estimator=self)
        check_classification_targets(y_n)
        self.classes_, codes_n = np.unique(y_n, return_inverse=True)
        if len(np.unique(codes_n[weights_n > 0])) < 2:
            raise InputError(
                "A classifier needs two classes. Found 1 class with weight in y. "
                "Pass rows of another class."
            )
        if self.class_weight is not None:
            weights_c = compute_class_weight(self.class_weight, classes=self.classes_, y=y_n)
            weights_n = weights_n * weights_c[codes_n]
        return codes_n, weights_n

    def _encode_targets(self, y: Any) -> NDArray[Any]:
        return codes_of(y, self.classes_)

    def _n_outputs(self) -> list[int]:
        return [len(self.classes_)]

    def _loss(
        self, outputs: tuple[Tensor, ...], targets: Tensor, weights_n: Tensor | None
    ) -> Tensor:
        if self.loss_fn is not None:
            return weighted_mean(self.loss_fn(outputs[0], targets), weights_n)
        return weighted_mean(F.cross_entropy(outputs[0], targets, reduction="none"), weights_n)

    def _scores(self, outputs: list[NDArray[np.float32]]) -> Any:
        return softmax(outputs[0].astype(np.float64), axis=1)

    def _known_metrics(self) -> tuple[dict[str, Metric], str]:
        return CLASSIFICATION, "logloss"

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities ``(n, c)``, columns as in ``classes_``."""
        probabilities: NDArray[np.float64] = self._scores(self._raw_outputs(X))
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, ``(n,)``."""
        codes_n = self._raw_outputs(X)[0].argmax(1)
        labels: NDArray[Any] = self.classes_[codes_n]
        return labels

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "classes": classes_to_json(self.classes_)}

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        self.classes_ = classes_from_json(state["classes"])
