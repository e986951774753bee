from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sctabnet._errors import InputError, MissingKeyError
from sctabnet.data.categories import categories, encode
from sctabnet.data.source import CellSource


class CellTable:
    """What is known of each cell besides its expression: class, covariates, data set.

    Codes are kept in the smallest integer type, a few bytes per cell.

    Parameters
    ----------
    sources
        The files; cells are numbered through, one file after the other.
    labels_key, covariate_keys
        Columns of ``obs``.
    labels, covariate_levels
        Classes and levels of a model, in its order; by default those that occur, ascending. A
        covariate with levels may be missing in a file: it is unknown there.

    Raises
    ------
    KeyError
        If a file has no such column.
    """

    def __init__(
        self,
        sources: Sequence[CellSource],
        *,
        labels_key: str | None = None,
        covariate_keys: Sequence[str] = (),
        labels: Sequence[str] | None = None,
        covariate_levels: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._sources = sources
        self.labels: tuple[str, ...] = tuple(labels or ())
        self._label_codes: NDArray[Any] = np.full(sum(s.n_cells for s in sources), -1, np.int8)
        if labels_key is not None:
            self.labels, self._label_codes = self._encode(labels_key, labels)
        for key in covariate_keys:
            if not isinstance(key, str):
                raise InputError(
                    f"The name of a column of obs must be text. Found {key!r}. Pass names "
                    "of columns."
                )
        self.covariate_levels: dict[str, tuple[str, ...]] = {}
        self._covariate_codes: dict[str, NDArray[Any]] = {}
        for key in covariate_keys:
            known = (covariate_levels or {}).get(key)
            levels, codes = self._encode(key, known, optional=known is not None)
            self.covariate_levels[key], self._covariate_codes[key] = levels, codes
        self._number_data_sets()

    def label_codes(self, rows: Any = slice(None)) -> NDArray[np.int64]:
        """Return int64 (n,): class of each cell, -1 where it has none."""
        return self._label_codes[rows].astype(np.int64)

    def covariate_codes(self, rows: Any = slice(None)) -> NDArray[np.int64]:
        """Return int64 (n, n_covariates): levels of each cell, 0 where one is unknown."""
        n = len(self._label_codes[rows])
        codes = np.zeros((n, len(self._covariate_codes)), np.int64)
        for i, column in enumerate(self._covariate_codes.values()):
            codes[:, i] = column[rows]
        return codes + 1

    def data_set_codes(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return int64 (n,): data set of each cell."""
        source = np.searchsorted(self._edges, rows, side="right") - 1
        codes = self._first_data_set[source]
        for number in np.flatnonzero(self._is_merged).tolist():
            panels = self._sources[number].panels
            assert panels is not None
            mine = source == number
            codes[mine] += panels.codes[rows[mine] - self._edges[number]]
        return codes

    def column(self, key: str) -> list[pd.Series]:
        """Return a column of ``obs`` of each file."""
        for source in self._sources:
            if key not in source.obs_columns:
                raise MissingKeyError(
                    f"{key!r} is not a column of obs in {source.name}. "
                    f"Found {list(source.obs_columns)[:20]}. Pass one of these names."
                )
        return [source.obs(key) for source in self._sources]

    def _encode(
        self, key: str, levels: Sequence[str] | None, *, optional: bool = False
    ) -> tuple[tuple[str, ...], NDArray[Any]]:
        if optional:
            columns = [
                s.obs(key) if key in s.obs_columns else pd.Series([None] * s.n_cells, dtype=object)
                for s in self._sources
            ]
        else:
            columns = self.column(key)
        names = tuple(levels) if levels is not None else categories(columns)
        return names, np.concatenate([encode(column, names) for column in columns])

    def _number_data_sets(self) -> None:
        """A prepared file holds several data sets, any other is one."""
        sizes = [len(s.panels.names) if s.panels else 1 for s in self._sources]
        self._first_data_set = np.cumsum([0, *sizes])[:-1].astype(np.int64)
        self._is_merged = np.array([s.panels is not None for s in self._sources], bool)
        self._edges = np.cumsum([0, *(s.n_cells for s in self._sources)])
        self.data_sets = tuple(
            name for s in self._sources for name in (s.panels.names if s.panels else [s.name])
        )
