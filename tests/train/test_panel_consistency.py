"""Jensen-Shannon divergence on shared genes, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from sctabnet.nn.tokens import Tokens
from sctabnet.train.panel_consistency import panel_consistency

N_GENES = 12


def _view(lists: list[list[int]]) -> Tokens:
    indices = torch.tensor([gene for genes in lists for gene in [*genes, N_GENES]])
    offsets = torch.tensor([0, *np.cumsum([len(genes) + 1 for genes in lists])])
    x = torch.ones(len(indices))
    panel, sources = torch.ones(1, N_GENES), torch.zeros(len(lists))
    return Tokens(indices, offsets, x, x, torch.zeros(N_GENES + 1), panel, sources)


def test_equals_scipy_on_the_shared_genes(rng):
    first, second = _view([[0, 2, 5], [1, 3]]), _view([[0, 3, 5, 7], [1, 2, 3]])
    p, q = torch.from_numpy(rng.random(7)), torch.from_numpy(rng.random(9))
    found = panel_consistency(first, p, second, q)
    # cell 0 shares genes 0 and 5, cell 1 shares 1 and 3; scipy returns the root, in nats
    expected = [
        jensenshannon(p[[0, 2]], q[[0, 2]]) ** 2,
        jensenshannon(p[[4, 5]], q[[5, 7]]) ** 2,
    ]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_equal_up_to_scale_is_zero_and_nothing_shared_is_zero():
    first, second = _view([[0, 2, 5], [1]]), _view([[0, 2], [3]])
    mask = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.6, 0.4], dtype=torch.float64)
    other = torch.tensor([0.2, 0.4, 0.4, 0.5, 0.5], dtype=torch.float64)
    found = panel_consistency(first, mask, second, other)
    np.testing.assert_allclose(found.numpy(), [0, 0], atol=1e-9)


def test_gradient_is_finite_where_a_mask_is_zero():
    first, second = _view([[0, 2]]), _view([[0, 2]])
    mask = torch.tensor([1.0, 0.0, 0.0], requires_grad=True)
    other = torch.tensor([0.0, 1.0, 0.0], requires_grad=True)
    divergence = panel_consistency(first, mask, second, other).sum()
    divergence.backward()
    assert divergence.item() == pytest.approx(np.log(2), rel=1e-5)
    assert torch.isfinite(mask.grad).all()
    assert torch.isfinite(other.grad).all()
