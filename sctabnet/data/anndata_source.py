from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from sctabnet._errors import InputError, MissingKeyError
from sctabnet.data.csr_source import CsrSource
from sctabnet.data.memory_array import MemoryArray
from sctabnet.data.panels import Panels


def anndata_source(adata: AnnData, *, layer: str | None = None, name: str = "adata") -> CsrSource:
    """Open an AnnData as a source of cells; a backed one stays on disk.

    Parameters
    ----------
    adata
        In memory or backed, also a view. Dense and CSC matrices in memory are converted to CSR.
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
    matrix = part.X if layer in (None, "raw") else adata.layers[layer]
    csr = _to_csr(matrix, name)
    panels = None
    if layer != "raw" and Panels.OBS in adata.obs and Panels.VARM in adata.varm:
        origin = adata.obs[Panels.OBS].astype("category").cat
        panels = Panels(
            tuple(origin.categories), origin.codes.to_numpy(), np.asarray(adata.varm[Panels.VARM])
        )
    return CsrSource(
        name,
        data=MemoryArray(csr.data),
        indices=MemoryArray(csr.indices),
        indptr=MemoryArray(csr.indptr),
        gene_ids=part.var_names.to_numpy(dtype=object),
        obs_columns=tuple(adata.obs.columns),
        obs=lambda column: adata.obs[column],
        panels=panels,
    )


def _to_csr(matrix: Any, name: str) -> Any:
    if hasattr(matrix, "to_memory"):  # a backed sparse matrix
        matrix = matrix.to_memory()
    if isinstance(matrix, np.ndarray) or sp.issparse(matrix):
        return sp.csr_matrix(matrix)
    raise InputError(
        f"The matrix of {name} cannot be read. Found {type(matrix).__name__}. "
        "Pass a CSR matrix: adata.X = scipy.sparse.csr_matrix(adata.X)."
    )
