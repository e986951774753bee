"""A minibatch as a sparse matrix of normalised values."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sctabnet.data.minibatch import Minibatch
from sctabnet.nn.normalise import normalise


def matrix_of(cells: Minibatch) -> sp.csr_array:
    """Return float64 (n, g) log1p of counts per 10,000; unmeasured genes are not stored."""
    x = normalise(cells).double().numpy()
    shape = (len(cells), cells.measured.shape[1])
    return sp.csr_array((x, cells.indices.numpy(), cells.offsets.numpy()), shape, dtype=np.float64)
