"""First-order permutation importance against the definition, written densely."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sctabnet.nn.tokens import Tokens
from sctabnet.train.permutation_importance import permutation_importance


def _random_cells(seed: int, n: int = 9, g: int = 7, d: int = 3):
    rng = np.random.default_rng(seed)
    panel = rng.random((2, g)) < 0.8
    sources = rng.integers(2, size=n)
    x = rng.random((n, g)) * (rng.random((n, g)) < 0.5) * panel[sources]
    listed = np.concatenate([x > 0, np.ones((n, 1), bool)], 1)  # the absent token comes last
    indices = np.nonzero(listed)[1]
    offsets = np.concatenate([[0], np.cumsum(listed.sum(1))])
    values = np.concatenate([x, np.zeros((n, 1))], 1)[listed]
    tokens = Tokens(
        indices=torch.from_numpy(indices),
        offsets=torch.from_numpy(offsets),
        x=torch.from_numpy(values),
        scaled=torch.from_numpy(values),
        centre=torch.zeros(g + 1),
        panel=torch.from_numpy(panel.astype(float)),
        source_ids=torch.from_numpy(sources),
    )
    gradient = rng.normal(size=len(indices)) * (indices < g)
    return (
        rng,
        x,
        panel[sources],
        tokens,
        gradient,
        rng.normal(size=(n, d)),
        rng.normal(size=(g, d)),
    )


@given(seed=st.integers(0, 10_000))
def test_equals_the_mean_over_permutations_within_strata(seed):
    rng, x, measured, tokens, gradient, u, paths = _random_cells(seed)
    n, g = x.shape
    strata = rng.integers(3, size=n)
    weights = (rng.random(n) < 0.9).astype(float)
    derivative = u @ paths.T
    rows = np.repeat(np.arange(n), np.diff(tokens.offsets.numpy()))
    is_gene = tokens.indices.numpy() < g
    derivative[rows[is_gene], tokens.indices.numpy()[is_gene]] = gradient[is_gene]
    expected = np.zeros(g)
    for gene in range(g):
        for stratum in range(3):
            cells = (strata == stratum) & measured[:, gene] & (weights > 0)
            if cells.any():
                mean = x[cells, gene].mean()
                expected[gene] += (derivative[cells, gene] * (mean - x[cells, gene])).sum()
    found = permutation_importance(
        tokens,
        torch.from_numpy(gradient),
        torch.from_numpy(u),
        torch.from_numpy(paths),
        torch.from_numpy(strata),
        torch.from_numpy(weights),
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def test_a_stratum_of_one_cell_has_nothing_to_permute():
    _, x, _, tokens, gradient, u, paths = _random_cells(3)
    found = permutation_importance(
        tokens,
        torch.from_numpy(gradient),
        torch.from_numpy(u),
        torch.from_numpy(paths),
        torch.arange(len(x)),
        torch.ones(len(x)),
    )
    assert found.abs().max() == pytest.approx(0, abs=1e-12)
