"""TabNet for one or several numeric targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import check_array
from torch import Tensor

from sctabnet.tabular.metric import REGRESSION, Metric
from sctabnet.tabular.tabnet_supervised import Loss, TabNetSupervised
from sctabnet.tabular.weighted_mean import weighted_mean


@dataclass(eq=False, repr=False, kw_only=True)
class TabNetRegressor(RegressorMixin, TabNetSupervised):
    """Predict one or several numbers per row of a table with TabNet.

    Targets are standardised inside; losses, metrics and predictions are in their own units. The
    parameters below join those of every tabular estimator.

    Attributes
    ----------
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
    >>> from sklearn.datasets import load_diabetes
    >>> from sctabnet.tabular import TabNetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = TabNetRegressor(max_epochs=5, random_state=0).fit(X, y)
    >>> regressor.predict(X).shape
    (442,)
    """

    loss_fn: Loss | None = None
    """Maps predictions and targets, both ``(n, outputs)``, to a loss per row or one mean."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    def _fit_targets(
        self, y: Any, weights_n: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        y_no = self._checked_targets(y)
        self._flat = y_no.ndim == 1
        y_no = y_no.reshape(len(y_no), -1)
        used = weights_n > 0
        self.target_mean_ = np.average(y_no[used], axis=0, weights=weights_n[used])
        spread = np.average((y_no[used] - self.target_mean_) ** 2, axis=0, weights=weights_n[used])
        self.target_std_ = np.where(spread > 0, np.sqrt(spread), 1.0)
        return y_no, weights_n

    def _encode_targets(self, y: Any) -> NDArray[Any]:
        y_no = self._checked_targets(y)
        return y_no.reshape(len(y_no), -1)

    def _checked_targets(self, y: Any) -> NDArray[np.float32]:
        y_no: NDArray[np.float32] = check_array(
            y, ensure_2d=False, dtype=np.float32, input_name="y"
        )
        return y_no

    def _n_outputs(self) -> list[int]:
        return [len(self.target_mean_)]

    def _in_units(self, output_no: Any) -> Any:
        if isinstance(output_no, Tensor):
            mean, std = (
                output_no.new_tensor(self.target_mean_),
                output_no.new_tensor(self.target_std_),
            )
            return output_no * std + mean
        return output_no * self.target_std_ + self.target_mean_

    def _loss(
        self, outputs: tuple[Tensor, ...], targets: Tensor, weights_n: Tensor | None
    ) -> Tensor:
        if self.loss_fn is not None:
            return weighted_mean(self.loss_fn(self._in_units(outputs[0]), targets), weights_n)
        mean, std = targets.new_tensor(self.target_mean_), targets.new_tensor(self.target_std_)
        return weighted_mean((outputs[0] - (targets - mean) / std).square(), weights_n)

    def _scores(self, outputs: list[NDArray[np.float32]]) -> Any:
        return self._in_units(outputs[0].astype(np.float64))

    def _known_metrics(self) -> tuple[dict[str, Metric], str]:
        return REGRESSION, "mse"

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return predictions, ``(n,)`` or ``(n, outputs)`` as the targets were given."""
        predictions: NDArray[np.float64] = self._scores(self._raw_outputs(X))
        return predictions[:, 0] if self._flat else predictions

    def _state(self) -> dict[str, Any]:
        target = {
            "mean": self.target_mean_.tolist(),
            "std": self.target_std_.tolist(),
            "flat": self._flat,
        }
        return {**super()._state(), "target": target}

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        self.target_mean_ = np.array(state["target"]["mean"])
        self.target_std_ = np.array(state["target"]["std"])
        self._flat = state["target"]["flat"]
