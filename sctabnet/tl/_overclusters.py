"""Many small clusters of cells, to vote in."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

# up to so many cells, and the resolution for them: clusters should stay smaller than cell types
_RESOLUTIONS = ((5_000, 5), (20_000, 10), (40_000, 15), (100_000, 20), (200_000, 25))
_LAST_RESOLUTION = 30


def check_clustering_installed() -> None:
    """Raise unless the packages that clustering needs are installed.

    Raises
    ------
    ImportError
        With the command that installs them.
    """
    if importlib.util.find_spec("igraph") is None:
        raise ImportError(
            "majority_voting=True clusters cells with igraph, which is not installed. Run "
            "pip install 'sctabnet[cluster]', or pass majority_voting=... with your own clusters."
        )


def overclusters(place_nd: NDArray[np.float32], *, random_state: int = 0) -> NDArray[np.int64]:
    """Return Leiden clusters of the cells, finer than cell types.

    Resolutions grow with the number of cells as in CellTypist (Domínguez Conde et al. 2022).

    Parameters
    ----------
    place_nd
        float32 (n, d).
    random_state
        Seed of neighbours and clusters.

    Returns
    -------
    int64 (n,); fewer than three cells are one cluster.
    """
    import scanpy as sc  # slow to import, and only needed here

    check_clustering_installed()
    n_cells = len(place_nd)
    if n_cells < 3:
        return np.zeros(n_cells, dtype=np.int64)
    cells = AnnData(obsm={"X": place_nd}, shape=(n_cells, 0))
    resolution = next((r for most, r in _RESOLUTIONS if n_cells < most), _LAST_RESOLUTION)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice of libraries about libraries
        sc.pp.neighbors(
            cells, use_rep="X", n_neighbors=min(15, n_cells - 1), random_state=random_state
        )
        sc.tl.leiden(
            cells, resolution=resolution, flavor="igraph", n_iterations=2, directed=False,
            random_state=random_state,
        )  # fmt: skip
    return cells.obs["leiden"].cat.codes.to_numpy(dtype=np.int64)
