"""The fuzzy neighbour graph that UMAP and scanpy draw from distances."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sctabnet.evaluate.nearest_cells import NearestCells

_STEPS = 64
_FLOOR = 1e-3


def neighbour_graph(cells: NearestCells) -> sp.csr_array:
    """Return symmetric weights (n, n) of the edges between neighbours.

    exp(-(distance - rho) / sigma), with rho the distance to the nearest other cell and sigma such
    that a cell's weights add up to log2(k); the two directions a and b of an edge become
    a + b - ab (McInnes et al., arXiv 1802.03426).

    Parameters
    ----------
    cells
        k neighbours of n cells, the cell itself among them.
    """
    distances = cells.distances[:, 1:]
    n, k = cells.indices.shape
    positive = np.where(distances > 0, distances, np.inf).min(1)
    rho = np.where(np.isfinite(positive), positive, 0.0)
    beyond = np.maximum(distances - rho[:, None], 0)
    low, high, sigma = np.zeros(n), np.full(n, np.inf), np.ones(n)
    for _ in range(_STEPS):
        total = np.exp(-beyond / sigma[:, None]).sum(1)
        high = np.where(total > np.log2(k), sigma, high)
        low = np.where(total > np.log2(k), low, sigma)
        sigma = np.where(np.isinf(high), sigma * 2, (low + np.minimum(high, 1e300)) / 2)
    floor = np.where(rho > 0, cells.distances.mean(1), cells.distances.mean())
    sigma = np.maximum(sigma, np.maximum(_FLOOR * floor, 1e-300))
    weights = np.exp(-beyond / sigma[:, None])
    rows = np.repeat(np.arange(n), k - 1)
    graph = sp.csr_array((weights.ravel(), (rows, cells.indices[:, 1:].ravel())), shape=(n, n))
    both = graph.multiply(graph.T)
    return sp.csr_array(graph + graph.T - both)
