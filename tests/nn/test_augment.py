"""Thinned counts are binomial, dropped genes are unmeasured, and every cell is changed alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from sctabnet.nn.augment import augment

KEYS = torch.arange(100, 160)


def dense(minibatch):
    x = torch.zeros(len(minibatch), len(KEYS))
    rows = torch.repeat_interleave(minibatch.offsets.diff())
    x[rows, minibatch.indices] = minibatch.values
    return x


def changed(minibatch, **options):
    return augment(
        minibatch, KEYS, **({"panel_dropout": 0, "thinning": 0, "seed": 1, "epoch": 2} | options)
    )


@pytest.mark.parametrize("count", [10, 200])  # by exact inversion, by the normal limit
def test_thinning_is_binomial(minibatch_of, count):
    x = np.full((2000, len(KEYS)), count, dtype=np.float32)
    thinned = dense(changed(minibatch_of(x), thinning=0.6))
    assert (thinned == thinned.round()).all() and thinned.max() <= count
    kept = thinned.mean(1) / count
    # each cell's share is uniform between 0.4 and 1, seen through 60 genes
    assert kstest(kept.numpy(), "uniform", args=(0.4, 0.6)).statistic < 0.06
    spread = thinned.var(1) / (count * kept * (1 - kept)).clamp_min(1e-3)
    assert spread[kept < 0.9].mean() == pytest.approx(1, abs=0.05)


def test_log1p_values_are_not_thinned(minibatch_of, rng):
    x = rng.poisson(1, (40, len(KEYS))).astype(np.float32)
    minibatch = minibatch_of(np.log1p(x), is_log1p=torch.tensor([True]))
    np.testing.assert_array_equal(dense(changed(minibatch, thinning=0.9)), dense(minibatch))


def test_a_dropped_gene_is_not_measured(minibatch_of, rng):
    x = rng.poisson(2, (200, len(KEYS))).astype(np.float32)
    out = changed(minibatch_of(x), panel_dropout=0.3)
    measured = out.measured[out.source_ids]
    np.testing.assert_array_equal(dense(out), np.where(measured, x, 0))
    assert (~measured).float().mean() == pytest.approx(0.3, abs=0.15)
    assert len(measured.unique(dim=0)) > 2


def test_a_cell_is_changed_alike_in_any_company(minibatch_of, rng):
    x = rng.poisson(2, (30, len(KEYS))).astype(np.float32)
    ids = torch.arange(1000, 1030)
    options = {"panel_dropout": 0.3, "thinning": 0.5}
    whole = dense(changed(minibatch_of(x, row_ids=ids), **options))
    some = torch.tensor([7, 3, 20])
    part = dense(changed(minibatch_of(x[some], row_ids=ids[some]), **options))
    np.testing.assert_array_equal(part, whole[some])
    other = dense(changed(minibatch_of(x, row_ids=ids), **options, epoch=3))
    assert (other != whole).any()
