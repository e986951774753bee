from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.nn.normalise import normalise


def dense(minibatch, values, n_genes):
    out = torch.zeros(len(minibatch), n_genes)
    rows = torch.repeat_interleave(torch.arange(len(minibatch)), minibatch.offsets.diff())
    out[rows, minibatch.indices] = values
    return out


def test_is_scanpys_normalisation(minibatch_of, counts_ng):
    minibatch = minibatch_of(counts_ng)
    adata = ad.AnnData(counts_ng[:-1].numpy())  # scanpy warns of an empty cell
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    found = dense(minibatch, normalise(minibatch), 30)
    np.testing.assert_allclose(found[:-1].numpy(), adata.X, rtol=1e-6)
    assert (found[-1] == 0).all()


@settings(max_examples=20)
@given(target=st.floats(1e2, 1e6), seed=st.integers(0, 1000))
def test_log1p_values_of_any_target_sum_give_the_numbers_of_the_counts(target, seed):
    from sctabnet.data.minibatch import Minibatch

    generator = torch.Generator().manual_seed(seed)
    counts = torch.poisson(torch.full((40,), 3.0), generator=generator) + 1
    logged = torch.log1p(counts.double() / counts.sum() * target).float()

    def cell(values, is_log1p):
        return Minibatch(
            values=values, indices=torch.arange(40), offsets=torch.tensor([0, 40]),
            labels=torch.tensor([-1]), covariates=torch.zeros(1, 0, dtype=torch.int64),
            weights=torch.ones(1), row_ids=torch.zeros(1, dtype=torch.int64),
            source_ids=torch.zeros(1, dtype=torch.int64),
            measured=torch.ones(1, 40, dtype=torch.bool), is_log1p=torch.tensor([is_log1p]),
        )  # fmt: skip

    torch.testing.assert_close(
        normalise(cell(logged, True)), normalise(cell(counts, False)), rtol=1e-5, atol=1e-5
    )


def test_each_cell_is_read_as_its_source_says(minibatch_of, counts_ng):
    logged = torch.log1p(counts_ng)
    both = torch.cat([counts_ng, logged])
    minibatch = minibatch_of(
        both,
        measured=torch.ones(2, 30, dtype=torch.bool),
        source_ids=torch.arange(24) // 12,
        is_log1p=torch.tensor([False, True]),
    )
    values = dense(minibatch, normalise(minibatch), 30)
    torch.testing.assert_close(values[:12], values[12:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("value", [1e-30, 1e30])
def test_extreme_values_stay_finite(minibatch_of, value):
    found = normalise(minibatch_of(torch.tensor([[value, value]])))
    torch.testing.assert_close(found, torch.full((2,), float(np.log1p(5000.0))))
