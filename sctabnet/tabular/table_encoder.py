"""From a user's table to the float matrix that the network reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_array

from sctabnet._errors import InputError
from sctabnet.tabular.column_position import column_position

UNKNOWN = 0
Categories = list[str] | list[int] | list[float] | list[bool]


class TableEncoder:
    """Standardise numbers, code categories, mark missing numbers.

    A numeric column becomes ``(x - mean) / std``. If the training table misses values in it, they
    become 0 and an indicator column, appended at the end, says where; values missing later in a
    column that was complete become 0. A categorical column becomes codes: 0 for anything unseen in
    training, 1 and up for the categories, a missing value being a category of its own.

    Attributes
    ----------
    mean, std
        float64 ``(g,)``; 0 and 1 for categorical columns.
    categories
        Known categories of each categorical column, in code order (the first has code 1).
    missing_codes
        Code of a missing value, for categorical columns that had any in training.
    indicators
        Columns that have an indicator column, in the indicators' order.
    """

    def __init__(self) -> None:
        self.mean: NDArray[np.float64] = np.zeros(0)
        self.std: NDArray[np.float64] = np.ones(0)
        self.categories: dict[int, Categories] = {}
        self.missing_codes: dict[int, int] = {}
        self.indicators: list[int] = []

    @property
    def n_columns(self) -> int:
        """Number of the user's columns ``g``."""
        return len(self.mean)

    @property
    def n_encoded(self) -> int:
        """Number of encoded columns: the user's and the indicators."""
        return self.n_columns + len(self.indicators)

    def n_codes(self, column: int) -> int:
        """Return how many codes a categorical column may hold, the unknown one included."""
        return 1 + len(self.categories[column]) + (column in self.missing_codes)

    def fit(self, X: Any, categorical: str | Sequence[int | str] = "auto") -> TableEncoder:
        """Learn means, spreads, categories and where values are missing.

        Parameters
        ----------
        X
            Data frame, array or CSR matrix ``(n, g)``.
        categorical
            Names or positions of the categorical columns; ``"auto"`` takes a data frame's columns
            of text or categorical dtype, and none of an array's.
        """
        positions = _categorical_positions(X, categorical)
        self.mean, self.std = np.zeros(X.shape[1]), np.ones(X.shape[1])
        self.categories, self.missing_codes, self.indicators = {}, {}, []
        for column in positions:
            self._fit_categories(column, _column(X, column))
        for first, values in _numeric_blocks(X, set(positions)):
            missing = np.isnan(values)
            count = np.maximum((~missing).sum(0), 1)
            mean = np.where(missing, 0, values).sum(0) / count
            std = np.sqrt((np.where(missing, 0, values - mean) ** 2).sum(0) / count)
            # Relative to the mean: the rounding of a constant column is no spread.
            std[std <= 1e-12 * np.abs(mean)] = 1
            self.mean[first], self.std[first] = mean, std
            self.indicators.extend(int(i) for i in first[missing.any(0)])
        self.indicators.sort()
        return self

    def _fit_categories(self, column: int, values: pd.Series[Any]) -> None:
        missing = values.isna()
        unique = values[~missing].unique()
        try:
            known = sorted(unique)
        except TypeError as error:
            raise InputError(
                f"Categorical column {column} mixes types that cannot be sorted. "
                f"Found {sorted({type(value).__name__ for value in unique})}. "
                "Convert the column to text."
            ) from error
        plain = [value.item() if isinstance(value, np.generic) else value for value in known]
        if not all(isinstance(value, str | int | float) for value in plain):
            raise InputError(
                f"Categories must be text or numbers. Found {type(plain[0]).__name__} in column "
                f"{column}. Convert the column to text."
            )
        self.categories[column] = plain
        if missing.any():
            self.missing_codes[column] = len(plain) + 1

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return float32 ``(n, encoded columns)``."""
        out = np.zeros((X.shape[0], self.n_encoded), dtype=np.float32)
        for column, known in self.categories.items():
            values = _column(X, column)
            codes = pd.Index(known, dtype=object).get_indexer(pd.Index(values, dtype=object)) + 1
            codes[values.isna().to_numpy()] = self.missing_codes.get(column, UNKNOWN)
            out[:, column] = codes
        indicator_of = {column: self.n_columns + i for i, column in enumerate(self.indicators)}
        for columns, values in _numeric_blocks(X, set(self.categories)):
            missing = np.isnan(values)
            scaled = (values - self.mean[columns]) / self.std[columns]
            out[:, columns] = np.where(missing, 0, scaled)
            for i, column in enumerate(columns):
                if column in indicator_of:
                    out[:, indicator_of[column]] = missing[:, i]
        return out

    def to_json(self) -> dict[str, Any]:
        """Return the fitted state as JSON types."""
        return {
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "categories": {str(column): known for column, known in self.categories.items()},
            "missing_codes": {str(column): code for column, code in self.missing_codes.items()},
            "indicators": self.indicators,
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> TableEncoder:
        """Return the encoder whose :meth:`to_json` gave ``state``."""
        encoder = cls()
        encoder.mean, encoder.std = np.array(state["mean"]), np.array(state["std"])
        encoder.categories = {int(column): known for column, known in state["categories"].items()}
        encoder.missing_codes = {int(c): code for c, code in state["missing_codes"].items()}
        encoder.indicators = list(state["indicators"])
        return encoder


def _categorical_positions(X: Any, categorical: str | Sequence[int | str]) -> list[int]:
    if isinstance(categorical, str):
        if categorical != "auto":
            raise InputError(
                f"categorical_features must be 'auto' or a list. Found {categorical!r}. "
                "Pass a list of column names or positions."
            )
        if not isinstance(X, pd.DataFrame):
            return []
        return [
            i
            for i, dtype in enumerate(X.dtypes)
            if not pd.api.types.is_numeric_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype)
        ]
    return sorted({column_position(X, column) for column in categorical})


def _column(X: Any, column: int) -> pd.Series[Any]:
    """Return one column with its own type, not the array's common one."""
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, column].reset_index(drop=True)
    values = X[:, [column]].toarray()[:, 0] if sparse.issparse(X) else X[:, column]
    return pd.Series(values)


def _numeric_blocks(X: Any, categorical: set[int]) -> Any:
    """Yield positions and float64 values of numeric columns; a sparse table in blocks."""
    numeric = np.array([i for i in range(X.shape[1]) if i not in categorical], dtype=np.int64)
    if len(numeric) == 0:
        return
    if sparse.issparse(X):
        by_column = X.tocsc()
        for columns in np.array_split(numeric, max(1, len(numeric) // 256)):
            yield columns, by_column[:, columns].toarray().astype(np.float64)
        return
    values = X.iloc[:, numeric] if isinstance(X, pd.DataFrame) else X[:, numeric]
    yield (
        numeric,
        check_array(values, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=0),
    )
