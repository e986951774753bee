"""Generate count matrices of any size in seconds, for benchmarks of reading."""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse as sp


def make_cells(n_cells: int, n_genes: int, n_expressed: int, seed: int = 0) -> sp.csr_matrix:
    """Return counts whose cells express ``n_expressed`` genes on average.

    Genes differ in frequency over two orders of magnitude; 7 of 10 counts are 1, the tail is long.

    Returns
    -------
    scipy.sparse.csr_matrix
        float32 (n_cells, n_genes), sorted indices.
    """
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(0, 1.5, n_genes)
    low, high = 0.0, 1e4
    for _ in range(60):  # scale such that the expected number of expressed genes is right
        scale = (low + high) / 2
        if (1 - np.exp(-rate * scale)).sum() < n_expressed:
            low = scale
        else:
            high = scale
    frequency = 1 - np.exp(-rate * low)
    depth = np.clip(rng.lognormal(0, 0.25, n_cells), 0.4, 2.5)
    capacity = int(n_cells * n_expressed * 1.2) + 4 * n_genes
    indices, data = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    indptr = np.empty(n_cells + 1, np.int64)
    n_entries = _fill(frequency, depth, indptr, indices, data, seed)
    return sp.csr_matrix(
        (data[:n_entries], indices[:n_entries], indptr), shape=(n_cells, n_genes), copy=False
    )


@numba.njit(cache=True)
def _fill(frequency, depth, indptr, indices, data, seed):  # type: ignore[no-untyped-def]
    np.random.seed(seed)
    filled = 0
    indptr[0] = 0
    for cell in range(len(depth)):
        for gene in range(len(frequency)):
            if np.random.random() < frequency[gene] * depth[cell]:
                indices[filled] = gene
                data[filled] = min(910.0, np.floor(np.random.random() ** -0.58))
                filled += 1
        indptr[cell + 1] = filled
        if filled + len(frequency) > len(data):
            raise ValueError("too many entries")
    return filled
