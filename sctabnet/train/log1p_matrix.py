"""Normalised values of some cells as one sparse matrix, for the closed-form fits."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from torch import Tensor

from sctabnet.data.corpus import Corpus
from sctabnet.nn.normalise import normalise


def log1p_matrix(corpus: Corpus, rows: NDArray[np.int64], mean_g: Tensor) -> sp.csr_array:
    """Return (rows, g) log1p of counts per 10,000; unmeasured genes take their mean.

    Parameters
    ----------
    corpus
        Where the cells are read from.
    rows
        int64 rows of the corpus, in the order wanted.
    mean_g
        (g,) mean of each gene, which stands in where a source did not measure it.
    """
    blocks = []
    mean = mean_g.double().numpy()
    for minibatch in corpus.minibatches(rows, minibatch_size=4096):
        x = normalise(minibatch).double().numpy()
        shape = (len(minibatch), len(mean))
        block = sp.csr_array((x, minibatch.indices.numpy(), minibatch.offsets.numpy()), shape)
        unmeasured = ~minibatch.measured[minibatch.source_ids].numpy()
        if unmeasured.any():
            block = sp.csr_array(block + sp.csr_array(unmeasured * mean))
        blocks.append(block)
    return sp.csr_array(sp.vstack(blocks))
