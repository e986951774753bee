"""Self-supervised TabNet: learn a table's columns from one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from torch import Tensor

from sctabnet._errors import InputError
from sctabnet.nn.dense_pretrainer import DensePretrainer, DenseReconstruction
from sctabnet.tabular.table_encoder import TableEncoder
from sctabnet.tabular.table_rows import TableRows
from sctabnet.tabular.table_structure import table_structure
from sctabnet.tabular.tabnet_base import ROWS_AT_ONCE, TabNetBase


@dataclass(eq=False, repr=False, kw_only=True)
class TabNetPretrainer(TransformerMixin, TabNetBase):
    """Hide columns of a table, reconstruct them, and hand the encoder to a supervised estimator.

    ``estimator.fit(X, y, from_unsupervised=pretrainer)`` starts from this encoder. The parameters
    below join those of every tabular estimator.

    The loss is the mean squared error of the hidden columns, standardised numbers and embeddings
    alike (targets carry no gradient). pytorch-tabnet divides by each column's variance in the
    minibatch instead, which explodes where a column is constant there.

    Attributes
    ----------
    history_
        One record per epoch: loss, and the loss on evaluation sets.
    network_
        The fitted :class:`~sctabnet.nn.dense_pretrainer.DensePretrainer`.

    Notes
    -----
    Arik and Pfister (2019), section 3.4, arXiv 1908.07442.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sctabnet.tabular import TabNetClassifier, TabNetPretrainer
    >>> X, y = load_wine(return_X_y=True)
    >>> pretrainer = TabNetPretrainer(max_epochs=5, random_state=0).fit(X)
    >>> classifier = TabNetClassifier(max_epochs=5, random_state=0)
    >>> classifier.fit(X, y, from_unsupervised=pretrainer).predict(X).shape
    (178,)
    """

    pretraining_ratio: float = 0.5
    """Share of columns (or groups of columns) hidden in each row."""
    n_shared_decoder: int = 1
    """Gated linear units of the decoder whose linear map all steps share."""
    n_independent_decoder: int = 1
    """Gated linear units of the decoder of each step's own."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        eval_set: Mapping[str, Any] | None = None,
        early_stopping_on: str | None = None,
    ) -> Self:
        """Fit the encoder and decoder.

        Parameters
        ----------
        X
            Data frame, array or CSR matrix ``(n, g)``.
        y
            Ignored.
        eval_set
            Named tables on which the loss is recorded (the same columns hidden at every epoch).
        early_stopping_on
            Name of the table that decides about stopping; ``None`` takes the last one.
        """
        self._check_sizes()
        if not 0 < self.pretraining_ratio < 1:
            raise InputError(
                "pretraining_ratio must lie between 0 and 1. "
                f"Found {self.pretraining_ratio}. TabNet uses 0.2 to 0.8."
            )
        if self.n_shared_decoder + self.n_independent_decoder == 0:
            raise InputError(
                "The decoder has no gated linear unit. Found n_shared_decoder=0 and "
                "n_independent_decoder=0. Set one of them to 1 or more."
            )
        X = self._checked(X, reset=True)
        if X.shape[0] < 2:
            raise InputError(f"A fit needs 2 rows. Found n_samples = {X.shape[0]}. Pass more rows.")
        seed, device = self._seed(), self._device()
        self.table_ = TableEncoder().fit(X, self.categorical_features)
        self.structure_ = table_structure(
            self.table_, X, self.embedding_dim, self.grouped_features or ()
        )
        self.config_ = asdict(self._config())
        self.network_ = self._build(seed).to(device)
        table = TableRows(X, self.table_, device)

        def loss_of_rows(rows: Tensor, generator: torch.Generator) -> Tensor:
            x_ng = self._with_unknowns(table[rows], generator)
            hidden_na = self.network_.draw_hidden(len(rows), self.pretraining_ratio, generator)
            return _loss(self.network_(x_ng, hidden_na))

        sets = {
            name: TableRows(self._checked(other, reset=False), self.table_, device)
            for name, other in (eval_set or {}).items()
        }
        decisive = early_stopping_on or next(reversed(sets), None)
        if decisive is not None and decisive not in sets:
            raise InputError(
                f"early_stopping_on names no evaluation set. Found {decisive!r}. "
                f"Choose one of {list(sets)}."
            )

        def evaluate() -> tuple[dict[str, float], float]:
            losses = {name: self._loss_on(rows, seed) for name, rows in sets.items()}
            assert decisive is not None
            return {f"{name}_loss": loss for name, loss in losses.items()}, -losses[decisive]

        self._train(len(table), seed, loss_of_rows, evaluate if sets else None)
        return self

    def _build(self, seed: int) -> DensePretrainer:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return DensePretrainer(
                self.structure_["n_columns"],
                **self._network_options(),
                n_shared_decoder=self.n_shared_decoder,
                n_independent_decoder=self.n_independent_decoder,
            )

    @torch.inference_mode()
    def _loss_on(self, rows: TableRows, seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        total = 0.0
        for start in range(0, len(rows), ROWS_AT_ONCE):
            x_ng = rows[start : start + ROWS_AT_ONCE]
            hidden_na = self.network_.draw_hidden(len(x_ng), self.pretraining_ratio, generator)
            total += float(_loss(self.network_(x_ng, hidden_na))) * len(x_ng)
        return total / len(rows)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the rows' embedding, float32 ``(n, n_d)``: the sum of the step decisions."""
        with torch.inference_mode():
            parts = [self.network_(x_ng).steps.decisions_snd.sum(0) for x_ng in self._batches(X)]
        embedding_nd: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return embedding_nd


def _loss(out: DenseReconstruction) -> Tensor:
    squared_ne = (out.reconstruction_ne - out.embedded_ne.detach()).square() * out.hidden_ne
    return squared_ne.sum() / out.hidden_ne.sum().clamp(min=1)
