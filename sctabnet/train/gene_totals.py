"""Add up a number per listed gene over cells."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.ops import segment_sum


def gene_totals(values_k: Tensor, indices_k: Tensor, n_rows: int) -> Tensor:
    """Return (n_rows,) the sum of ``values_k`` by gene; gradients flow to ``values_k``.

    Sorted and summed by segments instead of scattered: the same bits on every run, also where a
    scatter would use atomics.

    Parameters
    ----------
    values_k
        (k,) float.
    indices_k
        int32 (k,) gene of each value, below ``n_rows``.
    n_rows
        Genes, plus one if the absent token is listed.
    """
    order = torch.argsort(indices_k, stable=True)
    genes = torch.arange(n_rows + 1, dtype=indices_k.dtype, device=indices_k.device)
    offsets = torch.searchsorted(indices_k[order], genes)
    return segment_sum(values_k[order], offsets)
