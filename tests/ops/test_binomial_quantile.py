from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom

from sctabnet.ops import binomial_quantile, set_backend


def example(n=50, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 40, n)
    offsets = torch.from_numpy(np.concatenate([[0], lengths.cumsum()]))
    k = int(offsets[-1])
    counts = torch.from_numpy(rng.poisson(3, k).astype(np.float32))
    kept = torch.from_numpy(rng.uniform(0.02, 0.98, n).astype(np.float32))
    return counts, kept, torch.from_numpy(rng.uniform(0, 1, k).astype(np.float32)), offsets


@pytest.mark.parametrize("name", ["torch", "numba"])
def test_is_scipys_quantile(name):
    counts, kept, level, offsets = example()
    with set_backend(name):
        thinned = binomial_quantile(counts, kept, level, offsets)
    p = np.repeat(kept.double().numpy(), offsets.diff().numpy())
    expected = binom.ppf(level.double().numpy(), counts.numpy(), p).clip(0)
    edge = np.abs(binom.cdf(thinned.numpy(), counts.numpy(), p) - level.numpy()) < 1e-5
    np.testing.assert_array_equal(thinned.numpy()[~edge], expected[~edge])
    assert (counts == 0).any() and (thinned <= counts).all()


def test_takes_float64_and_no_cells(backend):
    counts, kept, level, offsets = (t.double() if t.is_floating_point() else t for t in example())
    assert binomial_quantile(counts, kept, level, offsets).dtype == torch.float64
    nothing = torch.zeros(0)
    assert len(binomial_quantile(nothing, nothing, nothing, torch.zeros(1, dtype=torch.int64))) == 0


def test_lists_that_do_not_fit(backend):
    counts, kept, level, offsets = example()
    with pytest.raises(ValueError, match="level_k"):
        binomial_quantile(counts, kept, level[1:], offsets)
