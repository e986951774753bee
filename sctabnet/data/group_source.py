from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pandas as pd
from anndata.io import read_elem
from numpy.typing import NDArray

from sctabnet._errors import InputError, MissingKeyError
from sctabnet.data.check_csr import check_csr
from sctabnet.data.csr_source import CsrSource
from sctabnet.data.entry_array import EntryArray
from sctabnet.data.panels import Panels


def group_source(
    group: Any,
    path: str,
    *,
    layer: str | None,
    entries: Callable[[Any], EntryArray],
    reopen: Callable[[], AbstractContextManager[Any]],
) -> CsrSource:
    """Open an AnnData group of HDF5 or zarr as a source of cells.

    Parameters
    ----------
    group
        The root group of the file.
    path
        What messages call it.
    layer
        None for ``X``, ``"raw"`` for ``raw.X``, otherwise a layer's name.
    entries
        Opens an array of the file for reading by ranges.
    reopen
        Gives the group again, when a column of ``obs`` is wanted later.

    Raises
    ------
    ValueError
        If the group is no AnnData, or its matrix is not CSR or contradicts ``obs`` or ``var``.
    KeyError
        If the layer does not exist.
    """
    for part in ("obs", "var"):
        if part not in group:
            raise InputError(
                f"{path} is no AnnData file: it has no {part!r}. Found {sorted(group)[:10]}. "
                "Give a file written by AnnData.write_h5ad or write_zarr."
            )
    matrix = _matrix(group, path, layer)
    var = group["raw/var"] if layer == "raw" else group["var"]
    obs = group["obs"]

    def obs_column(column: str) -> pd.Series:
        with reopen() as again:
            return pd.Series(read_elem(again["obs"][column]))

    def obs_names() -> NDArray[Any]:
        with reopen() as again:
            return np.asarray(_index(again["obs"]), dtype=object)

    try:
        source = CsrSource(
            path,
            data=entries(matrix["data"]),
            indices=entries(matrix["indices"]),
            indptr=entries(matrix["indptr"]),
            gene_ids=np.asarray(_index(var), dtype=object),
            obs_names=obs_names,
            obs_columns=tuple(str(name) for name in obs.attrs["column-order"]),
            obs=obs_column,
            panels=_panels(group) if layer != "raw" else None,
        )
        shape = tuple(int(n) for n in matrix.attrs["shape"])
        n_obs = int(obs[obs.attrs["_index"]].shape[0])
    except KeyError as error:
        raise InputError(
            f"{path} is damaged, or was written before anndata 0.7. Found no part: {error}. Fetch "
            "it again, or write it again with anndata.read_h5ad(...).write_h5ad(...)."
        ) from None
    if shape != (source.n_cells, len(source.gene_ids)) or shape[0] != n_obs:
        raise InputError(
            f"{path} is damaged: its parts contradict each other. Found a matrix of shape {shape} "
            f"with {source.n_cells} rows, {n_obs} names of cells and {len(source.gene_ids)} names "
            "of genes. Fetch or write the file again."
        )
    return source


def _matrix(group: Any, path: str, layer: str | None) -> Any:
    key = "X" if layer is None else "raw/X" if layer == "raw" else f"layers/{layer}"
    if key not in group:
        options = list(group["layers"]) if "layers" in group else []
        raise MissingKeyError(
            f"{'X' if layer is None else f'layer={layer!r}'} is not in {path}. "
            f"Found layers {options}{' and raw' if 'raw' in group else ''}. "
            f"Pass {'layer=... with one of these' if layer is None else 'layer=None to use X'}."
        )
    check_csr(group[key], path)
    return group[key]


def _index(frame: Any) -> Any:
    return read_elem(frame[frame.attrs["_index"]])


def _panels(group: Any) -> Panels | None:
    if "varm" not in group or Panels.VARM not in group["varm"] or Panels.OBS not in group["obs"]:
        return None
    origin = pd.Series(read_elem(group["obs"][Panels.OBS])).astype("category").cat
    measured = np.asarray(read_elem(group["varm"][Panels.VARM]), dtype=bool)
    return Panels(tuple(map(str, origin.categories)), origin.codes.to_numpy(), measured)
