"""A stable integer for every gene id, so that random numbers can be keyed by gene, not column."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np


def gene_keys(gene_ids: Iterable[str]) -> np.ndarray:
    """Return one 64-bit integer per gene id.

    The number depends on the id alone: the same gene has the same key in every vocabulary, so
    parameters that are initialised from it do not change when genes are added or reordered.

    Parameters
    ----------
    gene_ids
        Gene ids, any order.

    Returns
    -------
    int64 array of shape (n_genes,).
    """
    digests = (blake2b(gene.encode(), digest_size=8).digest() for gene in gene_ids)
    return np.frombuffer(b"".join(digests), dtype="<i8").copy()
