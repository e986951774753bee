from __future__ import annotations

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from sctabnet._keys import Keys


def places(adata: AnnData, key: str) -> tuple[NDArray[np.float64] | None, str | None]:
    """Return where the cells stand on a map, and what the map is.

    Parameters
    ----------
    adata
        Its ``obsm["X_umap"]`` is taken where there is one, else the two axes along which the
        embedding varies most.
    key
        Prefix of the embedding.

    Returns
    -------
    float64 (n, 2) and a sentence; None and None without an embedding.
    """
    if "X_umap" in adata.obsm:
        return np.asarray(adata.obsm["X_umap"], dtype=float)[:, :2], "UMAP of the file."
    slot = Keys(key).embedding
    if slot not in adata.obsm:
        return None, None
    centred = np.asarray(adata.obsm[slot], dtype=float)
    centred = centred - centred.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, :-3:-1], (
        "The two principal axes of the model's embedding; for a UMAP, run "
        f"scanpy.pp.neighbors(adata, use_rep={slot!r}) and scanpy.tl.umap(adata) first."
    )
