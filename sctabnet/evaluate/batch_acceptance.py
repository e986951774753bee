"""Are the batches among a cell's neighbours those of its cell type at large? (kBET)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackError, eigsh
from scipy.stats import chi2

from sctabnet.evaluate.nearest_cells import NearestCells
from sctabnet.evaluate.neighbour_graph import neighbour_graph

_AXES = 100
_ALPHA = 0.05


def batch_acceptance(
    cells: NearestCells, batches: NDArray[np.int64], labels: NDArray[np.int64]
) -> float:
    """Return the share of cells whose neighbours hold the batches in their label's proportions.

    A chi-squared test per cell at 5 %, with neighbours by diffusion distance within the label;
    mean over labels (Büttner et al., Nat Methods 2019, as scib-metrics computes it per label).
    Labels of fewer than 10 cells or of one batch are left out; NaN if none is left. A label that
    falls into small pieces counts 0.

    Parameters
    ----------
    cells
        50 neighbours of n cells.
    batches, labels
        int64 (n,) codes.
    """
    graph = neighbour_graph(cells)
    scores = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        _, codes, counts = np.unique(batches[own], return_inverse=True, return_counts=True)
        if len(own) < 10 or len(counts) == 1:
            continue
        k = int(min(70, max(10, np.floor(counts.mean() / 4))))
        within = graph[own][:, own]
        _, pieces = connected_components(within)
        sizes = np.bincount(pieces)
        keep = np.flatnonzero((sizes[pieces] >= 3 * k) | (len(sizes) == 1))
        if len(keep) < 0.75 * len(own):
            scores.append(0.0)
            continue
        near = _diffusion_neighbours(within[keep][:, keep], k)
        scores.append(_accepted(codes[keep], near))
    return float(np.mean(scores)) if scores else float("nan")


def _accepted(codes: NDArray[np.int64], near: NDArray[np.int64] | None) -> float:
    if near is None:
        return 0.0
    _, codes = np.unique(codes, return_inverse=True)
    share = np.bincount(codes) / len(codes)
    found = np.stack([(codes[near] == b).sum(1) for b in range(len(share))], 1)
    expected = share * near.shape[1]
    statistic = ((found - expected) ** 2 / expected).sum(1)
    if len(share) == 1:
        return 1.0
    return float((chi2.sf(statistic, len(share) - 1) >= _ALPHA).mean())


def _diffusion_neighbours(graph: sp.csr_array, k: int) -> NDArray[np.int64] | None:
    """Return (n, k + 1) neighbours by diffusion distance, or None where there is no solution."""
    n = graph.shape[0]
    degree = np.asarray(graph.sum(0)).ravel()
    if (degree <= 0).any():
        return None
    kernel = sp.diags_array(1 / degree) @ graph @ sp.diags_array(1 / degree)
    root = sp.diags_array(1 / np.sqrt(np.asarray(kernel.sum(0)).ravel()))
    start = np.random.default_rng(0).standard_normal(n)
    try:
        values, vectors = eigsh(root @ kernel @ root, k=min(_AXES, n - 1), v0=start)
    except ArpackError:
        return None
    values = values + 1e-8
    # an eigenvalue of 1 has no finite multiscale weight and stays as it is
    one = np.isclose(values, 1, atol=1e-6)
    weights = np.where(one, 1.0, values / np.where(one, 1.0, 1 - values))
    return NearestCells.of(vectors * weights, k + 1).indices
