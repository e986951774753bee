"""Genes that vary more than others of their mean, within batches."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

MIN_CELLS = 10


def variable_genes(
    x: sp.csr_array, codes: NDArray[np.int64], measured: NDArray[np.bool_], n_genes: int
) -> NDArray[np.int64]:
    """Return the rows of the ``n_genes`` most variable genes, ascending.

    In every batch the logarithm of a gene's variance is compared with a cubic of the logarithm of
    its mean, and genes are ranked by what is left; the mean rank over the batches that measured
    the gene decides. What differs only between batches is thus no reason to take a gene.

    Parameters
    ----------
    x
        (n, g) log1p values.
    codes
        int64 (n,) batch of each cell; batches of fewer than 10 cells have no say, unless all
        are so small: then the cells are taken together.
    measured
        bool (n, g) or (1, g), genes that each cell's source measured.
    n_genes
        Genes wanted; all are returned if there are no more.
    """
    total = x.shape[1]
    if total <= n_genes:
        return np.arange(total)
    ranks, counts = np.zeros(total), np.zeros(total)
    if np.unique(codes, return_counts=True)[1].max(initial=0) < MIN_CELLS:
        codes = np.zeros_like(codes)  # no batch has a say alone
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if len(rows) < min(MIN_CELLS, len(codes)):
            continue
        part = x[rows]
        mean = np.asarray(part.mean(0)).ravel()
        variance = np.asarray((part * part).mean(0)).ravel() - mean**2
        seen = measured[rows if len(measured) > 1 else [0]].any(0)
        usable = seen & (mean > 1e-3) & (variance > 0)
        excess = np.full(total, -np.inf)
        if usable.sum() > MIN_CELLS:
            level, spread = np.log(mean[usable]), np.log(variance[usable])
            excess[usable] = spread - np.polyval(np.polyfit(level, spread, 3), level)
        place = np.empty(total)
        place[np.argsort(-excess, kind="stable")] = np.arange(total)
        ranks += np.where(seen, place, 0)
        counts += seen
    mean_rank = np.where(counts > 0, ranks / np.maximum(counts, 1), np.inf)
    return np.sort(np.argsort(mean_rank, kind="stable")[:n_genes])
