"""Genes that rise and fall together, of which a ranking names one by accident."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

MIN_CORRELATION = 0.6
N_GENES = 500


def equivalent_genes(
    x: sp.csr_array,
    importance: NDArray[np.float64],
    *,
    min_correlation: float = MIN_CORRELATION,
    n_genes: int = N_GENES,
) -> NDArray[np.int64]:
    """Return int64 (g,) the most important gene of each gene's co-expressed group.

    Groups come from complete linkage: within one, every two genes correlate at least this much
    over the cells. A gene without a partner is its own group, and so is every gene below the
    ``n_genes`` most important.

    Parameters
    ----------
    x
        (n, g) log1p values of a sample of cells.
    importance
        float64 (g,); NaN counts as unimportant.
    min_correlation
        Smallest Pearson correlation within a group.
    n_genes
        Genes that are compared.
    """
    result = np.arange(x.shape[1])
    order = np.argsort(-np.nan_to_num(importance, nan=-np.inf), kind="stable")[:n_genes]
    values = x[:, order].toarray()
    varying = values.std(0) > 0
    order, values = order[varying], values[:, varying]
    if len(order) < 2:
        return result
    distance = 1 - np.corrcoef(values, rowvar=False)
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance, checks=False).clip(0)
    group = fcluster(linkage(condensed, "complete"), 1 - min_correlation, "distance")
    # the genes come by falling importance, so the first of a group leads it
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    result[order] = order[first[inverse]]
    return result
