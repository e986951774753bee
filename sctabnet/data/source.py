from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sctabnet.data.panels import Panels


class CellSource(Protocol):
    """One data set of cells, read by blocks of rows: all that a corpus knows of a file format.

    Attributes
    ----------
    name
        What messages call it: a path, or ``adata``.
    n_cells, n_entries
        Rows, and stored values of all of them.
    gene_ids
        One id per column, in the order of columns.
    value_dtype, index_dtype
        Types of stored values and column numbers.
    obs_columns
        Names that :meth:`obs` accepts.
    panels
        For a file that holds the cells of several data sets; None otherwise.
    """

    name: str
    n_cells: int
    n_entries: int
    gene_ids: NDArray[Any]
    value_dtype: np.dtype[Any]
    index_dtype: np.dtype[Any]
    obs_columns: tuple[str, ...]
    panels: Panels | None

    def obs_names(self) -> NDArray[Any]:
        """Return the names of the cells."""

    def obs(self, column: str) -> pd.Series:
        """Return a column of ``obs``."""

    def row_bounds(
        self, starts: NDArray[np.int64], stops: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where each row of the ranges ``[start, stop)`` begins and ends among the entries.

        Raises
        ------
        ValueError
            If the row pointers are damaged.
        """

    def read(
        self,
        starts: NDArray[np.int64],
        stops: NDArray[np.int64],
        values: NDArray[Any],
        indices: NDArray[Any],
    ) -> None:
        """Write the entries of the entry ranges ``[start, stop)`` into ``values`` and ``indices``.

        Raises
        ------
        ValueError
            If the file was changed, or a part of it is missing or cannot be decoded.
        """
