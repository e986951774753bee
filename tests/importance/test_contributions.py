"""Contributions against what they are defined to add up to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sctabnet.heads.label_contrast import label_contrast
from sctabnet.importance.contributions import contributions
from sctabnet.ops import segment_sum


@torch.no_grad()
def _contrast(model, cells, x, labels):
    return label_contrast(model.network(cells, x=x).logits, labels)


def test_integrated_gradients_add_up_to_the_difference_from_the_means(deep, some_cells):
    value, x, prediction = contributions(deep.network, some_cells, n_steps=60)
    labels = prediction.logits.argmax(1)
    mean = deep.network.encoder.mean[some_cells.indices]
    expected = _contrast(deep, some_cells, x, labels) - _contrast(deep, some_cells, mean, labels)
    found = segment_sum(value, some_cells.offsets)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0.02, atol=0.02)


def test_linear_contribution_is_what_the_mean_value_would_lose(linear, some_cells):
    labels = torch.arange(len(some_cells)) % 3
    value, x, prediction = contributions(linear.network, some_cells, labels)
    for k in (0, 7, 100):
        replaced = x.clone()
        replaced[k] = linear.network.encoder.mean[some_cells.indices[k]]
        lost = label_contrast(prediction.logits, labels) - _contrast(
            linear, some_cells, replaced, labels
        )
        np.testing.assert_allclose(lost.sum().item(), value[k].item(), atol=2e-5)


def test_shut_gate_takes_the_short_way_to_the_same_numbers(linear, some_cells):
    network = linear.network
    short, *_ = contributions(network, some_cells)
    config = network.labels.config
    config.deep = True
    try:
        with torch.no_grad():
            network.labels.gate.fill_(1e-30)  # open, and yet nothing comes through
        long, *_ = contributions(network, some_cells)
    finally:
        config.deep = False
        with torch.no_grad():
            network.labels.gate.fill_(0)
    np.testing.assert_allclose(short.numpy(), long.numpy(), atol=1e-5)


def test_prediction_is_the_one_that_predicting_gives(deep, some_cells):
    *_, prediction = contributions(deep.network, some_cells)
    with torch.no_grad():
        expected = deep.network(some_cells).logits
    assert torch.equal(prediction.logits.detach(), expected)


def test_what_is_trained_stays_trained(deep, some_cells, monkeypatch):
    network = deep.network
    frozen = next(network.parameters())
    frozen.requires_grad_(False)
    before = [parameter.requires_grad for parameter in network.parameters()]
    try:
        contributions(network, some_cells)
        assert [parameter.requires_grad for parameter in network.parameters()] == before
        monkeypatch.setattr(torch.autograd, "grad", None)
        with pytest.raises(TypeError):
            contributions(network, some_cells)
        assert [parameter.requires_grad for parameter in network.parameters()] == before
        assert any(before) and not before[0]
    finally:
        frozen.requires_grad_(True)
