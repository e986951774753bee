from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from sctabnet.nn.keyed_uniform import keyed_uniform

KEYS = st.integers(-(2**63), 2**63 - 1)


def split_mix(*keys):
    """SplitMix64's finaliser over the keys, in Python's whole numbers."""
    state, mask = 0, 2**64 - 1
    for key in keys:
        z = ((state ^ (key & mask)) + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        state = z ^ (z >> 31)
    return ((state >> 41) + 0.5) / 2**23


@settings(max_examples=50)
@given(keys=st.lists(KEYS, min_size=1, max_size=5))
def test_is_split_mix_64(keys):
    found = keyed_uniform(*keys)
    assert found.dtype == torch.float32 and 0 < float(found) < 1
    assert float(found) == split_mix(*keys)


def test_broadcasts_without_looking_at_the_order():
    rows, genes = torch.tensor([3, 1, 2])[:, None], torch.tensor([10, -5, 7, 2**62])[None]
    table = keyed_uniform(0, rows, genes)
    assert table.shape == (3, 4)
    shuffled = keyed_uniform(0, rows[[2, 0, 1]], genes[:, [3, 1, 0, 2]])
    assert torch.equal(shuffled, table[[2, 0, 1]][:, [3, 1, 0, 2]])
    assert table[1, 2] == keyed_uniform(0, 1, 7)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_is_uniform_along_every_key_and_neighbours_are_unrelated(position):
    keys = [torch.tensor(5), torch.tensor(6), torch.tensor(7)]
    keys[position] = torch.arange(50_000)
    u = keyed_uniform(*keys).double().numpy()
    assert kstest(u, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.02
    assert len(np.unique(u)) > 49_000


def test_keys_do_not_commute():
    a, b = keyed_uniform(torch.arange(1000), 1), keyed_uniform(1, torch.arange(1000))
    assert (a == b).sum() < 5
