"""Decoys: what a gene's values would look like if they told nothing."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def decoys(x: sp.csr_array, strata: NDArray[np.int64], *, random_state: int) -> sp.csr_array:
    """Return (n, g) the values with every gene permuted across cells on its own, within strata.

    Marginals, zeros included, are kept exactly; relations to labels and to other genes are cut.

    Parameters
    ----------
    x
        (n, g) values.
    strata
        int64 (n,) experimental batch, within which cells are exchanged.
    random_state
        Seed; draw once for a whole fit, never anew in every step: decoys that change cannot be
        over-fitted while true noise can, which takes the error rate away.
    """
    rng = np.random.default_rng(random_state)
    blocks = []
    order = np.argsort(strata, kind="stable")
    for cells in np.split(order, np.flatnonzero(np.diff(strata[order])) + 1):
        block = sp.csc_array(x[cells])
        for start, end in zip(block.indptr[:-1], block.indptr[1:], strict=True):
            block.indices[start:end] = rng.permutation(len(cells))[: end - start]
        block.has_sorted_indices = False
        back = sp.coo_array(block)
        blocks.append((back.data, cells[back.coords[0]], back.coords[1]))
    data, rows, columns = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return sp.csr_array((data, (rows, columns)), shape=x.shape)
