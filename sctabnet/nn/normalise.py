"""Bring stored values, counts or log1p, to one scale: log1p of counts per 10,000."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.ops import scale_rows

TARGET_SUM = 1e4


def normalise(minibatch: Minibatch) -> Tensor:
    """Return log1p of counts per 10,000 for every listed gene.

    log1p-normalised input is first mapped back by expm1: whatever target sum was used, the values
    are then proportional to counts within a cell, so that dividing by their total gives the same
    numbers as the counts would. The total runs over the listed genes, those of the vocabulary;
    a gene that the model does not know therefore changes nothing.

    Parameters
    ----------
    minibatch
        Cells with ``values`` of shape (nnz,) as stored on disk.

    Returns
    -------
    float32 tensor of shape (nnz,), natural logarithm.
    """
    values, offsets = minibatch.values, minibatch.offsets
    logged_n = minibatch.is_log1p[minibatch.source_ids]
    if bool(logged_n.any()):
        logged = torch.repeat_interleave(logged_n, offsets.diff(), output_size=len(values))
        values = torch.where(logged, torch.expm1(values), values)
    return torch.log1p(scale_rows(values, offsets, TARGET_SUM))
