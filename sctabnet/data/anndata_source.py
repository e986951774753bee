from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from sctabnet._errors import InputError, MissingKeyError
from sctabnet.data.check_csr import check_csr
from sctabnet.data.csr_source import CsrSource
from sctabnet.data.entry_array import EntryArray
from sctabnet.data.h5_entries import h5_entries
from sctabnet.data.memory_array import MemoryArray
from sctabnet.data.panels import Panels


def anndata_source(adata: AnnData, *, layer: str | None = None, name: str = "adata") -> CsrSource:
    """Open an AnnData as a source of cells.

    A backed one stays on disk (a view of a backed one is loaded, as AnnData does it).

    Parameters
    ----------
    adata
        In memory or backed. Dense and CSC matrices in memory are converted to CSR.
    layer
        None for ``X``, ``"raw"`` for ``raw.X``, otherwise a layer's name.
    name
        What messages call it.

    Raises
    ------
    KeyError
        If the layer does not exist.
    ValueError
        If the matrix is of a type that cannot be read.
    """
    part = adata.raw if layer == "raw" else adata
    if part is None or (layer not in (None, "raw") and layer not in adata.layers):
        options = [*adata.layers, *(["raw"] if adata.raw is not None else [])]
        raise MissingKeyError(
            f"layer={layer!r} is not in {name}. Found layers {options}. Pass layer=None to use X."
        )
    data: EntryArray
    indices: EntryArray
    indptr: EntryArray
    if adata.isbacked and not adata.is_view and layer in (None, "raw"):
        if not adata.file.is_open:  # adata.to_memory() closes the file of adata
            adata.file.open()
        group = adata.file["X" if layer is None else "raw/X"]
        check_csr(group, str(adata.filename))
        data, indices, indptr = (
            h5_entries(group[part_name], str(adata.filename))
            for part_name in ("data", "indices", "indptr")
        )
    else:
        csr = _to_csr(part.X if layer in (None, "raw") else adata.layers[layer], name)
        data, indices, indptr = map(MemoryArray, (csr.data, csr.indices, csr.indptr))
    panels = None
    if layer != "raw" and Panels.OBS in adata.obs and Panels.VARM in adata.varm:
        origin = adata.obs[Panels.OBS].astype("category").cat
        measured = np.asarray(adata.varm[Panels.VARM], dtype=bool)
        panels = Panels(tuple(map(str, origin.categories)), origin.codes.to_numpy(), measured)
    return CsrSource(
        name,
        data=data,
        indices=indices,
        indptr=indptr,
        gene_ids=part.var_names.to_numpy(dtype=object),
        obs_names=lambda: adata.obs_names.to_numpy(dtype=object),
        obs_columns=tuple(map(str, adata.obs.columns)),
        obs=lambda column: adata.obs[column],
        panels=panels,
    )


def _to_csr(matrix: Any, name: str) -> Any:
    if hasattr(matrix, "to_memory"):  # a backed sparse matrix
        matrix = matrix.to_memory()
    found = type(matrix).__name__
    if isinstance(matrix, np.ndarray) or sp.issparse(matrix):
        if matrix.dtype.kind == "b":
            matrix = matrix.astype(np.uint8)
        if matrix.dtype == np.float16:
            matrix = matrix.astype(np.float32)  # scipy has no sparse float16
        if matrix.dtype.kind in "uif":
            return sp.csr_matrix(matrix)
        found = f"values of type {matrix.dtype}"
    raise InputError(
        f"The matrix of {name} cannot be read. Found {found}. Give a matrix of numbers, best a CSR "
        "one (adata.X = scipy.sparse.csr_matrix(adata.X)), or choose another with layer=...."
    )
