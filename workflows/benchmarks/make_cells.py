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
    for _ in range(60):  # find the scale with which the expected number of genes is right
        scale = (low + high) / 2
        if (1 - np.exp(-rate * scale)).sum() < n_expressed:
            low = scale
        else:
            high = scale
    # probabilities as 32-bit integers, compared with half a xorshift number each
    threshold = ((1 - np.exp(-rate * low)) * 2**32).astype(np.uint64)
    counts = np.clip(np.floor(rng.random(1 << 16) ** -0.58), 1, 910).astype(np.float32)
    capacity = int(n_cells * n_expressed * 1.05) + 2 * n_genes
    indices, data = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    indptr = np.zeros(n_cells + 1, np.int64)
    n = _fill(threshold, counts, indptr, indices, data, np.uint64(seed + 88172645463325252))
    return sp.csr_matrix((data[:n], indices[:n], indptr), shape=(n_cells, n_genes), copy=False)


@numba.njit
def _fill(threshold, counts, indptr, indices, data, state):  # type: ignore[no-untyped-def]
    filled = 0
    for cell in range(len(indptr) - 1):
        for gene in range(len(threshold)):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            indices[filled] = gene
            data[filled] = counts[state & np.uint64(0xFFFF)]
            filled += (state >> np.uint64(32)) < threshold[gene]
        indptr[cell + 1] = filled
    return filled
