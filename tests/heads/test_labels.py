from __future__ import annotations

import numpy as np
import pytest
import torch

from sctabnet.heads.labels import LabelHead
from sctabnet.nn.tokens import Tokens

N_GENES, N_LABELS = 10, 3


@pytest.fixture
def panel():
    panel = torch.ones(2, N_GENES)
    panel[1, :4] = 0
    return panel


@pytest.fixture
def x_ng(panel):
    torch.manual_seed(0)
    return torch.relu(torch.randn(6, N_GENES)) * panel[torch.arange(6) % 2]


@pytest.fixture
def tokens(x_ng, panel):
    rows, genes = x_ng.nonzero(as_tuple=True)
    offsets = torch.nn.functional.pad(torch.bincount(rows, minlength=6).cumsum(0), (1, 0))
    x = x_ng[rows, genes]
    centre = torch.zeros(N_GENES + 1)
    return Tokens(genes, offsets, x, x, centre, panel.bool(), torch.arange(6) % 2)


def head_of(**options):
    torch.manual_seed(1)
    head = LabelHead(torch.arange(N_GENES), 4, N_LABELS, LabelHead.Config(**options))
    head.wide.weight.normal_()
    head.bias.normal_()
    return head


def test_wide_term_is_logistic_regression_with_the_mean_for_what_was_not_measured(
    tokens, x_ng, panel
):
    head = head_of()
    mean = torch.rand(N_GENES)
    filled = torch.where(panel[torch.arange(6) % 2].bool(), x_ng, mean)
    expected = (filled - mean) @ head.wide.weight[:-1] + head.bias
    torch.testing.assert_close(head.wide_logits(tokens, mean), expected, rtol=1e-5, atol=1e-5)


def test_the_gate_starts_shut(tokens):
    head, embedding, mean = head_of(), torch.randn(6, 4), torch.rand(N_GENES)
    assert head.gate.item() == 0
    assert torch.equal(head(embedding, tokens, mean), head.wide_logits(tokens, mean))
    with torch.no_grad():
        head.gate.fill_(0.5)
    expected = head.wide_logits(tokens, mean) + 0.5 * head.deep(embedding)
    torch.testing.assert_close(head(embedding, tokens, mean), expected)


def test_each_term_alone(tokens):
    embedding, mean = torch.randn(6, 4), torch.rand(N_GENES)
    deep = head_of(wide=False)
    assert deep.gate.item() == 1 and not deep.gate.requires_grad
    assert torch.equal(deep(embedding, tokens, mean), deep.deep(embedding))
    wide = head_of(deep=False)
    assert torch.equal(wide(embedding, tokens, mean), wide.wide_logits(tokens, mean))
    with pytest.raises(ValueError, match="wide and deep are both off"):
        LabelHead.Config(wide=False, deep=False)


def test_the_regression_is_not_trained_by_gradient(tokens):
    head = head_of()
    assert not head.wide.weight.requires_grad and not head.bias.requires_grad


def test_probabilities_at_the_temperature():
    head, logits = head_of(), torch.randn(5, N_LABELS)
    head.log_temperature.fill_(np.log(2.0))
    torch.testing.assert_close(head.probability(logits), torch.softmax(logits / 2, 1))
