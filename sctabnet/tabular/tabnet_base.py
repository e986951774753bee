"""What the tabular estimators share: sizes, the table, explanation, saving."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from sctabnet._errors import InputError
from sctabnet.nn.dense_encoder import DenseConfig, DenseSteps
from sctabnet.nn.embedding_columns import CategoricalColumn
from sctabnet.nn.mask_activation import MaskName
from sctabnet.tabular.estimator_folder import load_folder, save_folder
from sctabnet.tabular.table_encoder import TableEncoder
from sctabnet.tabular.table_rows import TableRows
from sctabnet.tabular.train_table import TableTraining, train_table

ROWS_AT_ONCE = 4096


@dataclass(eq=False, repr=False, kw_only=True)
class TabNetBase(BaseEstimator):
    """Parameters and methods of every tabular estimator; not to be used by itself.

    The defaults are what did best in ``workflows/benchmarks/tabular.py`` on other splits than those
    that it reports.
    """

    n_d: int = 16
    """Width of the decision part of a step."""
    n_a: int = 16
    """Width of the attention part of a step."""
    n_steps: int = 3
    """Number of decision steps."""
    gamma: float = 1.3
    """How freely later steps may attend to the same columns; 1 = each column once."""
    n_shared: int = 1
    """Gated linear units whose linear map all steps share."""
    n_independent: int = 1
    """Gated linear units of each step's own."""
    mask: MaskName = "softmax"
    """Mask activation. "softmax" did best on the tables of ``workflows/benchmarks/tabular.py``;
    masks of "entmax15" and "sparsemax" have zeros."""
    categorical_features: str | Sequence[int | str] = "auto"
    """Names or positions of categorical columns; "auto" takes a data frame's text columns."""
    embedding_dim: int | None = None
    """Width of a category's embedding; None takes half its number of codes, at most 8."""
    grouped_features: Sequence[Sequence[int | str]] | None = None
    """Columns, by name or position, that share one mask entry."""
    max_epochs: int = 20
    """Passes over the training rows, at most."""
    patience: int = 10
    """Epochs without a better value on the evaluation set before training stops."""
    batch_size: int | None = None
    """Rows of a minibatch; None takes a sixteenth of the rows, from 128 to 1024."""
    virtual_batch_size: int = 128
    """Rows normalised together in training (ghost batch norm)."""
    momentum: float = 0.1
    """Momentum of the batch norms."""
    learning_rate: float = 0.05
    """Peak of the learning rate, which rises, then falls to zero along a cosine."""
    weight_decay: float = 0.0
    """L2 penalty of the weights."""
    clip_value: float | None = 1.0
    """Largest norm of the gradient; None does not clip."""
    unknown_rate: float = 0.02
    """Share of category codes replaced by "unknown" in training, so that its row is trained."""
    device: str = "auto"
    """"auto" takes a GPU if there is one; else "cpu", "cuda", ..."""
    random_state: int | np.random.RandomState | None = None
    """Seed of the weights, of the order of rows and of what is hidden."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    # What a table turns into --------------------------------------------------------------------

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Return a data frame, a numeric (or object) array or a CSR matrix; check its columns."""
        if isinstance(X, pd.DataFrame):
            if len(X) == 0:
                raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        dtype = "numeric" if self.categorical_features == "auto" else None
        X = check_array(X, accept_sparse="csr", dtype=dtype, ensure_all_finite="allow-nan")
        validate_data(self, X, reset=reset, skip_check_array=True)
        if not sparse.issparse(X) and X.dtype == object:
            return pd.DataFrame(X).infer_objects()
        return X

    def _check_sizes(self) -> None:
        """Refuse sizes that cannot work together."""
        self._config()
        least = {"max_epochs": 1, "patience": 0, "virtual_batch_size": 2}
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise InputError(
                    f"{name} is too small. Found {getattr(self, name)}. Pass {lowest} or more."
                )

    def _config(self) -> DenseConfig:
        return DenseConfig(
            n_d=self.n_d,
            n_a=self.n_a,
            n_steps=self.n_steps,
            gamma=self.gamma,
            n_shared=self.n_shared,
            n_independent=self.n_independent,
            mask=self.mask,
            ghost_size=self.virtual_batch_size,
            momentum=self.momentum,
        )

    def _network_options(self) -> dict[str, Any]:
        return {
            "categorical": [CategoricalColumn(*c) for c in self.structure_["categorical"]],
            "groups": self.structure_["groups"],
            "config": DenseConfig(**self.config_),
        }

    def _build(self, seed: int) -> nn.Module:
        """Return the untrained network for ``structure_``, ``config_`` and the targets."""
        raise NotImplementedError

    # Training -----------------------------------------------------------------------------------

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _device(self) -> torch.device:
        if self.device != "auto":
            return torch.device(self.device)
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def _train(
        self,
        n: int,
        seed: int,
        loss_of_rows: Callable[[Tensor, torch.Generator], Tensor],
        evaluate: Callable[[], tuple[dict[str, float], float]] | None,
    ) -> None:
        training = TableTraining(
            max_epochs=self.max_epochs,
            batch_size=self.batch_size or min(max(n // 16, 128), 1024),
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            clip_value=self.clip_value,
            patience=self.patience,
            seed=seed,
        )
        self.history_ = train_table(self.network_, n, loss_of_rows, evaluate, training)
        self.n_iter_ = len(self.history_)

    def _with_unknowns(self, x_ng: Tensor, generator: torch.Generator) -> Tensor:
        """Replace a few category codes by the unknown one."""
        coded = [column for column, _, _ in self.structure_["categorical"]]
        if not coded or self.unknown_rate == 0:
            return x_ng
        kept = torch.rand(len(x_ng), len(coded), generator=generator) >= self.unknown_rate
        x_ng = x_ng.clone()
        x_ng[:, coded] *= kept.to(x_ng)
        return x_ng

    # Reading the trained network ----------------------------------------------------------------

    def _batches(self, X: Any) -> Iterator[Tensor]:
        check_is_fitted(self, "network_")
        X = self._checked(X, reset=False)
        rows = TableRows(X, self.table_, next(self.network_.parameters()).device)
        self.network_.eval()
        for start in range(0, len(rows), ROWS_AT_ONCE):
            yield rows[start : start + ROWS_AT_ONCE]

    def _to_columns(self, mask_xng: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add each indicator column's share to the column that it marks."""
        table: TableEncoder = self.table_
        out = mask_xng[..., : table.n_columns].copy()
        for i, column in enumerate(table.indicators):
            out[..., column] += mask_xng[..., table.n_columns + i]
        return out

    def explain(
        self, X: Any, *, normalize: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return how much the network looked at each column, per row.

        Parameters
        ----------
        X
            Data frame, array or CSR matrix ``(n, g)``.
        normalize
            Divide each row's explanation by its sum.

        Returns
        -------
        explanation
            float32 ``(n, g)``: masks weighted by how much each step decided.
        masks
            float32 ``(s, n, g)``: each step's mask; rows sum to 1.
        """
        explanations, masks = [], []
        with torch.inference_mode():
            for x_ng in self._batches(X):
                steps: DenseSteps = self.network_(x_ng).steps
                masks_sng = self.network_.encoder.groups.to_columns(steps.masks_sna)
                eta_sn = steps.decisions_snd.sum(2)
                explanations.append(torch.einsum("sng,sn->ng", masks_sng, eta_sn).cpu().numpy())
                masks.append(masks_sng.cpu().numpy())
        explanation_ng = self._to_columns(np.concatenate(explanations))
        if normalize:
            explanation_ng /= np.maximum(explanation_ng.sum(1, keepdims=True), 1e-12)
        return explanation_ng, self._to_columns(np.concatenate(masks, axis=1))

    # Saving -------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        """Return what :meth:`_set_state` needs beside the weights, as JSON types."""
        return {
            "table": self.table_.to_json(),
            "structure": self.structure_,
            "config": self.config_,
            "n_features_in": self.n_features_in_,
            "feature_names_in": list(getattr(self, "feature_names_in_", [])),
        }

    def _set_state(self, state: dict[str, Any]) -> None:
        self.table_ = TableEncoder.from_json(state["table"])
        self.structure_, self.config_ = state["structure"], state["config"]
        self.n_features_in_ = state["n_features_in"]
        if state["feature_names_in"]:
            self.feature_names_in_ = np.array(state["feature_names_in"], dtype=object)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the fitted estimator as ``model.safetensors`` and ``config.json``; no pickle.

        Custom loss functions, metrics and random states are not saved: prediction needs none.
        """
        check_is_fitted(self, "network_")
        config = {
            "estimator": type(self).__name__,
            "parameters": self.get_params(deep=False),
            "state": self._state(),
        }
        save_folder(folder, config, self.network_.state_dict())

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Self:
        """Return the estimator that :meth:`save` wrote.

        Raises
        ------
        MissingFileError
            If the folder holds no saved estimator.
        InputError
            If it holds another kind of estimator, or the weights changed after saving.
        """
        config, weights = load_folder(folder)
        if config["estimator"] != cls.__name__:
            raise InputError(
                f"{folder} holds another estimator. Found {config['estimator']}. "
                f"Call {config['estimator']}.load()."
            )
        estimator = cls(**config["parameters"])
        estimator._set_state(config["state"])
        estimator.network_ = estimator._build(seed=0)
        estimator.network_.load_state_dict(weights)
        estimator.network_.to(estimator._device()).eval()
        return estimator
