from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sctabnet._errors import InputError
from sctabnet.data.entry_array import EntryArray
from sctabnet.data.panels import Panels


class CsrSource:
    """A :class:`CellSource` over the three arrays of a compressed-sparse-row matrix.

    Parameters
    ----------
    name
        What messages call it.
    data, indices, indptr
        The matrix. ``indptr`` has one entry more than there are cells.
    gene_ids
        One id per column.
    obs_names, obs_columns, obs
        How to get the names of cells, names of the columns of ``obs``, and how to get one of these.
    panels
        For a file that holds the cells of several data sets.

    Raises
    ------
    ValueError
        If the lengths of the arrays contradict each other.
    """

    def __init__(
        self,
        name: str,
        *,
        data: EntryArray,
        indices: EntryArray,
        indptr: EntryArray,
        gene_ids: NDArray[Any],
        obs_names: Callable[[], NDArray[Any]],
        obs_columns: tuple[str, ...],
        obs: Callable[[str], pd.Series],
        panels: Panels | None = None,
    ) -> None:
        self.name = name
        self.n_cells = indptr.size - 1
        self.n_entries = data.size
        self.gene_ids = gene_ids
        self.obs_columns = obs_columns
        self.panels = panels
        self.value_dtype = data.dtype
        self.index_dtype = indices.dtype
        self._data, self._indices, self._indptr = data, indices, indptr
        self._obs, self._obs_names = obs, obs_names
        if data.size != indices.size or self.n_cells < 0:
            raise self._damaged(
                f"{data.size} values, {indices.size} column numbers and {indptr.size} row pointers"
            )
        if self.n_cells:
            last = self.row_bounds(np.array([self.n_cells - 1]), np.array([self.n_cells]))[1]
            if last[0] != data.size:
                raise self._damaged(
                    f"row pointers end at {last[0]}, but {data.size} values are stored"
                )

    def obs_names(self) -> NDArray[Any]:
        """Return the names of the cells."""
        return self._obs_names()

    def obs(self, column: str) -> pd.Series:
        """Return a column of ``obs``."""
        return self._obs(column)

    def row_bounds(
        self, starts: NDArray[np.int64], stops: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See :meth:`CellSource.row_bounds`."""
        lengths = stops - starts + 1
        pointers = np.empty(int(lengths.sum()), np.int64)
        self._indptr.read(starts, stops + 1, pointers)
        is_first = np.ones(len(pointers), bool)
        ends = np.cumsum(lengths)
        is_first[ends - 1] = False
        is_last = np.ones(len(pointers), bool)
        is_last[ends - lengths] = False
        first, last = pointers[is_first], pointers[is_last]
        if len(first) and ((last < first).any() or first.min() < 0 or last.max() > self._data.size):
            raise self._damaged("row pointers that decrease or point outside the stored values")
        return first, last

    def read(
        self,
        starts: NDArray[np.int64],
        stops: NDArray[np.int64],
        values: NDArray[Any],
        indices: NDArray[Any],
    ) -> None:
        """See :meth:`CellSource.read`."""
        self._data.read(starts, stops, values)
        self._indices.read(starts, stops, indices)

    def _damaged(self, found: str) -> InputError:
        return InputError(
            f"{self.name} is damaged: its matrix is no valid CSR matrix. Found {found}. "
            "Fetch or write the file again."
        )
