from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sctabnet._errors import InputError, MissingKeyError
from sctabnet.data.panels import Panels

MEASUREMENT = "RNA"
_GENE_IDS = ("feature_id", "var_id")  # of the CELLxGENE Census, of tiledbsoma.io
_CELL_IDS = ("obs_id", "observation_joinid")


class SomaSource:
    """A TileDB-SOMA experiment, such as the CELLxGENE Census, as a source of cells.

    A :class:`~sctabnet.data.source.CellSource`. One integer per cell is kept in memory; cells are
    fetched by blocks of rows. A local copy or a prepared corpus is much faster than an object store
    far away: ``sctabnet prepare`` takes it as it takes files. Needs
    ``pip install 'sctabnet[soma]'``.

    Parameters
    ----------
    uri
        Folder of the experiment, or its address in an object store.
    layer
        Matrix of the measurement ``RNA``; by default ``raw``, else the only one there is.

    Raises
    ------
    ImportError
        If tiledbsoma is not installed.
    ValueError
        If there is no SOMA experiment with a measurement ``RNA``.
    KeyError
        If the layer does not exist.
    """

    panels: Panels | None = None

    def __init__(self, uri: str | Path, *, layer: str | None = None) -> None:
        try:
            import tiledbsoma
        except ModuleNotFoundError as error:
            raise ImportError(
                f"{uri} is a SOMA experiment, and tiledbsoma is not installed. "
                "Run: pip install 'sctabnet[soma]'."
            ) from error
        self.name = str(uri)
        try:
            experiment = tiledbsoma.Experiment.open(self.name)
            measurement = experiment.ms[MEASUREMENT]
        except (tiledbsoma.SOMAError, KeyError) as error:
            raise InputError(
                f"{uri} cannot be opened as a SOMA experiment with the measurement {MEASUREMENT}. "
                f"Found: {error}. Give the folder that holds `ms/{MEASUREMENT}` and `obs`."
            ) from error
        layers = list(measurement.X)
        chosen = layer or ("raw" if "raw" in layers or len(layers) != 1 else layers[0])
        if chosen not in layers:
            raise MissingKeyError(
                f"layer={chosen!r} is not in {uri}. Found {layers}. Pass one of these names."
            )
        self._experiment = experiment  # closes all that it holds when it is collected
        self._obs = experiment.obs
        self._x = measurement.X[chosen]
        var = measurement.var.read().concat().to_pandas().sort_values("soma_joinid")
        ids = next((name for name in _GENE_IDS if name in var), None)
        if ids is None or not (var["soma_joinid"].to_numpy() == np.arange(len(var))).all():
            raise InputError(
                f"The genes of {uri} have no ids. Found the columns {list(var)}. "
                f"Write the experiment with one of {list(_GENE_IDS)}."
            )
        self.gene_ids = var[ids].to_numpy(dtype=object)
        columns = tuple(self._obs.schema.names)
        self.obs_columns = tuple(name for name in columns if name != "soma_joinid")
        self._joinids = np.sort(self._column("soma_joinid").to_numpy(dtype=np.int64))
        self.n_cells = len(self._joinids)
        self._indptr = np.concatenate([[0], np.cumsum(self._entries_of_cells())])
        self.n_entries = int(self._indptr[-1])
        self.value_dtype = np.dtype(np.float32)
        self.index_dtype = np.dtype(np.int64)

    def obs_names(self) -> NDArray[Any]:
        """Return the names of the cells."""
        known = next((name for name in _CELL_IDS if name in self.obs_columns), "soma_joinid")
        return self._column(known).astype(str).to_numpy(dtype=object)

    def obs(self, column: str) -> pd.Series:
        """Return a column of ``obs``."""
        return self._column(column)

    def row_bounds(
        self, starts: NDArray[np.int64], stops: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See :meth:`CellSource.row_bounds`."""
        rows = np.concatenate(
            [np.arange(a, b) for a, b in zip(starts, stops, strict=True)] or [np.zeros(0, np.int64)]
        )
        return self._indptr[rows], self._indptr[rows + 1]

    def read(
        self,
        starts: NDArray[np.int64],
        stops: NDArray[np.int64],
        values: NDArray[Any],
        indices: NDArray[Any],
    ) -> None:
        """See :meth:`CellSource.read`; the ranges begin and end with whole cells."""
        at = 0
        for start, stop in zip(starts, stops, strict=True):
            first, last = np.searchsorted(self._indptr, [start, stop])
            wanted = self._joinids[first:last]
            if start == stop:
                continue
            cells, genes, data = self._fetch(wanted)
            order = np.lexsort((genes, cells))
            if len(order) != stop - start:
                raise InputError(
                    f"{self.name} was changed, or its column nnz is wrong. Found {len(order)} "
                    f"values for {len(wanted)} cells that should have {stop - start}. "
                    "Open it again."
                )
            values[at : at + len(order)] = data[order]
            indices[at : at + len(order)] = genes[order]
            at += len(order)

    def _column(self, name: str) -> pd.Series:
        columns = list(dict.fromkeys(["soma_joinid", name]))
        table = self._obs.read(column_names=columns).concat().to_pandas()
        return table.sort_values("soma_joinid")[name].reset_index(drop=True)

    def _fetch(self, joinids: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        contiguous = joinids[-1] - joinids[0] + 1 == len(joinids)
        cells: Any = slice(int(joinids[0]), int(joinids[-1])) if contiguous else joinids
        table = self._x.read((cells,)).tables().concat()
        cell, gene, data = (table[n].to_numpy() for n in ("soma_dim_0", "soma_dim_1", "soma_data"))
        return cell, gene, data

    def _entries_of_cells(self) -> NDArray[np.int64]:
        """Return how many values each cell has: from ``obs`` where it is known, else by a scan."""
        if "nnz" in self.obs_columns:
            return self._column("nnz").to_numpy(dtype=np.int64)
        counts = np.zeros(self.n_cells, dtype=np.int64)
        for table in self._x.read((slice(None),)).tables():
            rows = np.searchsorted(self._joinids, table["soma_dim_0"].to_numpy())
            counts += np.bincount(rows, minlength=self.n_cells)
        return counts
