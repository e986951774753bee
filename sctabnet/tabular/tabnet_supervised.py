"""What the estimators that predict targets share: fitting, weights, early stopping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from torch import Tensor

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet.nn.dense_tabnet import DenseOutput, DenseTabNet
from sctabnet.nn.feature_permutation import feature_permutation
from sctabnet.tabular.metric import Metric, metric_list
from sctabnet.tabular.table_encoder import TableEncoder
from sctabnet.tabular.table_rows import TableRows
from sctabnet.tabular.table_structure import table_structure
from sctabnet.tabular.tabnet_base import ROWS_AT_ONCE, TabNetBase
from sctabnet.tabular.tabnet_pretrainer import TabNetPretrainer

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(eq=False, repr=False, kw_only=True)
class TabNetSupervised(TabNetBase):
    """Fitting and early stopping; not to be used by itself."""

    lambda_sparse: float = 1e-3
    """Weight of the masks' entropy in the loss."""
    permutation_prob: float = 0.0
    """Share of the minibatches whose columns are permuted too, for a comparison; 0 is best."""
    reg_weight: float = 1.0
    """Weight of what a permutation of columns changes (``permutation_prob``)."""
    eval_metric: str | Metric | list[str | Metric] | None = None
    """Metrics recorded on every evaluation set; the last one decides about stopping."""

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        eval_set: Mapping[str, tuple[Any, Any]] | None = None,
        early_stopping_on: str | None = None,
        from_unsupervised: TabNetPretrainer | None = None,
    ) -> Self:
        """Fit the network.

        Parameters
        ----------
        X
            Data frame, array or CSR matrix ``(n, g)``; numbers may be missing (NaN).
        y
            Targets.
        sample_weight
            ``(n,)`` weights of the rows in the loss; a row of weight 0 is left out.
        eval_set
            Named ``(X, y)`` to record metrics on.
        early_stopping_on
            Name of the evaluation set that decides about stopping; ``None`` takes the last one.
            The best epoch's weights are kept.
        from_unsupervised
            A fitted pretrainer: its view of the table, sizes and encoder weights are taken over.

        Returns
        -------
        The estimator.

        Raises
        ------
        InputError
            If sizes, columns, targets, metrics or evaluation sets do not fit together.
        """
        self._check_sizes()
        if y is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Pass the targets, or use TabNetPretrainer."
            )
        X = self._checked(X, reset=True)
        check_consistent_length(X, y)
        weights_n = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        targets, weights_n = self._fit_targets(y, weights_n)
        if (weights_n > 0).sum() < 2:
            raise InputError(
                f"A fit needs 2 rows of positive weight. Found n_samples = {len(weights_n)}, of "
                f"them {(weights_n > 0).sum()} with weight. Pass more rows."
            )
        seed = self._seed()
        self._take_table(X, from_unsupervised)
        self._check_permutation()
        device = self._device()
        self.network_ = self._build(seed).to(device)
        if from_unsupervised is not None:
            pretrained = from_unsupervised.network_
            self.network_.embedding.load_state_dict(pretrained.embedding.state_dict())
            self.network_.encoder.load_state_dict(pretrained.encoder.state_dict())

        table = TableRows(X, self.table_, device)
        kept = torch.from_numpy(np.flatnonzero(weights_n > 0)).to(device)
        y_n = torch.from_numpy(targets).to(device)
        scaled = torch.from_numpy((weights_n / weights_n[weights_n > 0].mean()).astype(np.float32))
        # Equal weights ask nothing of a custom loss, which may then return one mean.
        w_n = None if np.ptp(weights_n[weights_n > 0]) == 0 else scaled.to(device)

        def loss_of_rows(rows: Tensor, generator: torch.Generator) -> Tensor:
            rows = kept[rows]
            out = self.network_(self._with_unknowns(table[rows], generator))
            loss = self._loss(out.outputs, y_n[rows], None if w_n is None else w_n[rows])
            total: Tensor = loss + self.lambda_sparse * out.steps.sparsity
            if self.permutation_prob:
                total = total + self._permuted(table[rows], out, generator)
            return total

        evaluate = self._evaluation(eval_set, early_stopping_on)
        self._train(len(kept), seed, loss_of_rows, evaluate)
        self.feature_importances_ = self._importances(table)
        return self

    def _permuted(self, x_ng: Tensor, out: DenseOutput, generator: torch.Generator) -> Tensor:
        """Return the penalty on what a permutation of the columns changes."""
        order = torch.randperm(x_ng.shape[1], generator=generator).to(x_ng.device)
        if float(torch.rand((), generator=generator)) >= self.permutation_prob:
            return x_ng.new_zeros(())
        return self.reg_weight * feature_permutation(self.network_, x_ng, out, order)

    def _check_permutation(self) -> None:
        if not 0 <= self.permutation_prob <= 1 or self.reg_weight < 0:
            raise InputError(
                "permutation_prob must lie in [0, 1] and reg_weight be at least 0. Found "
                f"{self.permutation_prob} and {self.reg_weight}. 0 switches the penalty off."
            )
        structure = self.structure_
        if self.permutation_prob and (structure["categorical"] or structure["groups"]):
            raise InputError(
                "permutation_prob permutes columns, which must be numeric and not grouped. Found "
                f"{len(structure['categorical'])} categorical columns and "
                f"{len(structure['groups'])} groups. Set permutation_prob=0."
            )

    def _take_table(self, X: Any, pretrainer: TabNetPretrainer | None) -> None:
        if pretrainer is None:
            self.table_ = TableEncoder().fit(X, self.categorical_features)
            self.structure_ = table_structure(
                self.table_, X, self.embedding_dim, self.grouped_features or ()
            )
            self.config_ = asdict(self._config())
            return
        check_is_fitted(pretrainer, "network_")
        names = list(getattr(self, "feature_names_in_", []))
        expected = list(getattr(pretrainer, "feature_names_in_", []))
        if pretrainer.n_features_in_ != self.n_features_in_ or names != expected:
            raise InputError(
                "The pretrainer saw another table. Found "
                f"{expected[:10] or pretrainer.n_features_in_} there and "
                f"{names[:10] or self.n_features_in_} here. Pretrain on the same columns."
            )
        self.table_, self.structure_ = pretrainer.table_, pretrainer.structure_
        self.config_ = pretrainer.config_

    def _build(self, seed: int) -> DenseTabNet:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return DenseTabNet(
                self.structure_["n_columns"], self._n_outputs(), **self._network_options()
            )

    def _evaluation(
        self, eval_set: Mapping[str, tuple[Any, Any]] | None, early_stopping_on: str | None
    ) -> Callable[[], tuple[dict[str, float], float]] | None:
        if not eval_set:
            return None
        _checks.check_kind(
            eval_set, Mapping, argument="eval_set", advice='Pass {"name": (X, y)}, one per set.'
        )
        decisive = early_stopping_on or list(eval_set)[-1]
        if decisive not in eval_set:
            raise InputError(
                f"early_stopping_on names no evaluation set. Found {decisive!r}. "
                f"Choose one of {list(eval_set)}."
            )
        metrics = metric_list(self.eval_metric, *self._known_metrics())
        sets = {}
        for name, (X, y) in eval_set.items():
            rows = TableRows(self._checked(X, reset=False), self.table_, self._device())
            check_consistent_length(X, y)
            sets[name] = (rows, self._encode_targets(y))

        def evaluate() -> tuple[dict[str, float], float]:
            record, value = {}, 0.0
            for name, (rows, targets) in sets.items():
                scores = self._scores(self._outputs_of(rows))
                for metric in metrics:
                    value_here = self._apply(metric, targets, scores)
                    record[f"{name}_{metric.name}"] = value_here
                if name == decisive:
                    value = value_here if metrics[-1].maximise else -value_here
            return record, value

        return evaluate

    def _outputs_of(self, rows: TableRows) -> list[NDArray[np.float32]]:
        """Return each task's raw outputs."""
        parts = []
        with torch.inference_mode():
            for start in range(0, len(rows), ROWS_AT_ONCE):
                parts.append(self.network_(rows[start : start + ROWS_AT_ONCE]).outputs)
        return [torch.cat(task).cpu().numpy() for task in zip(*parts, strict=True)]

    def _raw_outputs(self, X: Any) -> list[NDArray[np.float32]]:
        check_is_fitted(self, "network_")
        X = self._checked(X, reset=False)
        return self._outputs_of(TableRows(X, self.table_, next(self.network_.parameters()).device))

    def _importances(self, table: TableRows) -> NDArray[np.float64]:
        """Return each column's share of the explanation, summed over the training rows."""
        total = np.zeros(self.structure_["n_columns"])
        with torch.inference_mode():
            for start in range(0, len(table), ROWS_AT_ONCE):
                out = self.network_(table[start : start + ROWS_AT_ONCE])
                total += out.explanation_ng.sum(0).double().cpu().numpy()
        columns = self._to_columns(total)
        shares: NDArray[np.float64] = columns / max(columns.sum(), 1e-12)
        return shares

    # What an estimator says of its targets ------------------------------------------------------

    def _fit_targets(
        self, y: Any, weights_n: NDArray[np.float64]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Learn the targets; return them as numbers, and the row weights to train with."""
        raise NotImplementedError

    def _encode_targets(self, y: Any) -> NDArray[Any]:
        """Return an evaluation set's targets as numbers."""
        raise NotImplementedError

    def _n_outputs(self) -> list[int]:
        """Return the number of outputs of each task."""
        raise NotImplementedError

    def _loss(
        self, outputs: tuple[Tensor, ...], targets: Tensor, weights_n: Tensor | None
    ) -> Tensor:
        """Return the loss of a minibatch, a scalar."""
        raise NotImplementedError

    def _scores(self, outputs: list[NDArray[np.float32]]) -> Any:
        """Return what metrics look at."""
        raise NotImplementedError

    def _apply(self, metric: Metric, targets: NDArray[Any], scores: Any) -> float:
        return float(metric.function(targets, scores))

    def _known_metrics(self) -> tuple[dict[str, Metric], str]:
        """Return the metrics known by name, and the default's name."""
        raise NotImplementedError
