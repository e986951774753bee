from __future__ import annotations

import pytest
import torch

from sctabnet.heads.reconstruct import ReconstructHead
from sctabnet.nn.corrupt import Corruption


@pytest.fixture
def asked():
    torch.manual_seed(0)
    indices = torch.tensor([0, 1, 4, 2, 3, 0, 4])
    return Corruption(
        keep=torch.ones(0, dtype=torch.bool),
        indices=indices,
        offsets=torch.tensor([0, 3, 5, 7]),
        x=torch.tensor([1.0, 0.0, 2.0, 0.5, 0.0, 3.0, 0.0]),
        weights=torch.tensor([1.0, 4.0, 1.0, 1.0, 2.0, 1.0, 3.0]),
    )


ROWS = torch.tensor([0, 0, 0, 1, 1, 2, 2])
STD = torch.tensor([0.25, 0.5, 1.0, 2.0, 1.5])


def loss_of(asked, predicted, depth, loss="auto"):
    head = ReconstructHead(torch.arange(5), 4, ReconstructHead.Config(loss=loss, dim=8))
    return head.loss(predicted, asked, STD, depth)


def mean_over_cells(loss_q, weights_q):
    """Every cell counts alike, whatever the number of genes that it was asked for."""
    cells = zip((loss_q * weights_q).split([3, 2, 2]), weights_q.split([3, 2, 2]), strict=True)
    return torch.stack([losses.sum() / weights.sum() for losses, weights in cells]).mean()


def test_counts_are_scored_by_the_poisson_deviance(asked):
    predicted = (asked.x + 0.3).requires_grad_()
    depth = torch.tensor([0.2, 1.0, 3.0])
    found = loss_of(asked, predicted, depth)
    rate, target = torch.expm1(predicted), torch.expm1(asked.x)
    counts = target * depth[ROWS]
    nll = torch.nn.functional.poisson_nll_loss(
        rate * depth[ROWS], counts, log_input=False, full=False, reduction="none", eps=0
    )
    best = torch.where(counts > 0, counts - counts * torch.log(counts.clamp_min(1e-30)), 0.0)
    expected = mean_over_cells(nll - best, asked.weights)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(found, predicted)[0], torch.autograd.grad(expected, predicted)[0],
        rtol=1e-4, atol=1e-6,
    )  # fmt: skip


def test_log1p_values_are_scored_in_units_of_their_spread(asked):
    predicted, depth = asked.x + 0.3, torch.full((3,), torch.nan)
    expected = mean_over_cells(0.5 * (0.3 / STD[asked.indices]) ** 2, asked.weights)
    torch.testing.assert_close(loss_of(asked, predicted, depth), expected)
    torch.testing.assert_close(loss_of(asked, predicted, torch.ones(3), "gaussian"), expected)


@pytest.mark.parametrize("depth", [torch.tensor([0.2, 1.0, 3.0]), torch.full((3,), torch.nan)])
def test_a_perfect_prediction_costs_nothing(asked, depth):
    assert float(loss_of(asked, asked.x, depth)) == pytest.approx(0, abs=1e-6)
    assert float(loss_of(asked, asked.x + 0.1, depth)) > 0
    assert float(loss_of(asked, (asked.x - 0.1).clamp_min(0), depth)) > 0


@pytest.mark.parametrize("loss", ["auto", "gaussian"])
def test_padding_cells_drop_out(asked, loss):
    predicted = asked.x + torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 9.0, 9.0])
    with_padding = loss_of(asked, predicted, torch.tensor([1.0, 1.0, 0.0]), loss)
    first = Corruption(
        asked.keep, asked.indices[:5], asked.offsets[:3], asked.x[:5], asked.weights[:5]
    )
    head = ReconstructHead(torch.arange(5), 4, ReconstructHead.Config(loss=loss, dim=8))
    expected = head.loss(predicted[:5], first, STD, torch.ones(2))
    torch.testing.assert_close(with_padding, expected)


def test_bad_choices_are_named():
    with pytest.raises(ValueError, match="mask_ratio must lie between 0 and 1. Found 1.0"):
        ReconstructHead.Config(mask_ratio=1.0)
    with pytest.raises(ValueError, match="loss='huber' is not known"):
        ReconstructHead.Config(loss="huber")
