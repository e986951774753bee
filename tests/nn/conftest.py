from __future__ import annotations

import pytest
import torch
from torch import nn

from sctabnet.data.minibatch import Minibatch


@pytest.fixture
def minibatch_of():
    """Make a minibatch of a dense matrix: its non-zero entries, as if read from disk."""

    def make(x_ng, *, measured=None, source_ids=None, is_log1p=None, row_ids=None, weights=None):
        x_ng = torch.as_tensor(x_ng, dtype=torch.float32)
        n, g = x_ng.shape
        rows, indices = x_ng.nonzero(as_tuple=True)
        measured = torch.ones(1, g, dtype=torch.bool) if measured is None else measured
        n_sources = len(measured)
        return Minibatch(
            values=x_ng[rows, indices],
            indices=indices,
            offsets=nn.functional.pad(torch.bincount(rows, minlength=n).cumsum(0), (1, 0)),
            labels=torch.full((n,), -1),
            covariates=torch.zeros(n, 0, dtype=torch.int64),
            weights=torch.ones(n) if weights is None else torch.as_tensor(weights),
            row_ids=torch.arange(n) if row_ids is None else torch.as_tensor(row_ids),
            source_ids=torch.zeros(n, dtype=torch.int64)
            if source_ids is None
            else torch.as_tensor(source_ids),
            measured=measured,
            is_log1p=torch.zeros(n_sources, dtype=torch.bool) if is_log1p is None else is_log1p,
        )

    return make


@pytest.fixture
def counts_ng():
    """Counts of 12 cells x 30 genes; the last cell is empty."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.poisson(torch.full((12, 30), 1.0), generator=generator)
    counts[-1] = 0
    return counts
