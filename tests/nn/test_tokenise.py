from __future__ import annotations

import pytest
import torch

from sctabnet.nn.corrupt import corrupt
from sctabnet.nn.normalise import normalise
from sctabnet.nn.tokenise import tokenise

N_GENES = 30


@pytest.fixture
def statistics():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(N_GENES, generator=generator), torch.rand(N_GENES, generator=generator) + 0.5


@pytest.fixture
def two_panels():
    measured = torch.ones(2, N_GENES, dtype=torch.bool)
    measured[1, ::3] = False
    return measured


@pytest.fixture
def minibatch(minibatch_of, counts_ng, two_panels):
    source_ids = torch.arange(12) % 2
    return minibatch_of(
        counts_ng * two_panels[source_ids], measured=two_panels, source_ids=source_ids
    )


def lists(tokens):
    return [
        {
            "indices": tokens.indices[a:b], "x": tokens.x[a:b],
            "scaled": tokens.scaled[a:b], "nu": tokens.nu[a:b],
        }
        for a, b in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
    ]  # fmt: skip


def test_expressed_genes_and_the_absent_token(minibatch, statistics):
    mean, std = statistics
    x = normalise(minibatch)
    cells = lists(tokenise(minibatch, x, mean, std))
    for i, cell in enumerate(cells):
        genes = slice(int(minibatch.offsets[i]), int(minibatch.offsets[i + 1]))
        assert torch.equal(cell["indices"][:-1], minibatch.indices[genes])
        assert torch.equal(cell["x"][:-1], x[genes])
        found = cell["indices"][:-1]
        torch.testing.assert_close(cell["scaled"][:-1], x[genes] / std[found])
        torch.testing.assert_close(cell["nu"][:-1], (x[genes] - mean[found]) / std[found])
        last = {name: float(values[-1]) for name, values in cell.items()}
        assert last == {"indices": N_GENES, "x": 0, "scaled": 0, "nu": 1}
    assert len(cells[-1]["x"]) == 1  # the empty cell lists the absent token alone


def test_panel_support_lists_every_measured_gene_silent_ones_too(minibatch, statistics, two_panels):
    mean, std = statistics
    cells = lists(tokenise(minibatch, normalise(minibatch), mean, std, support="panel"))
    for i, cell in enumerate(cells):
        measured = two_panels[i % 2].nonzero().squeeze(1)
        assert torch.equal(cell["indices"], measured)
        torch.testing.assert_close(cell["nu"], (cell["x"] - mean[measured]) / std[measured])
    expressed = lists(tokenise(minibatch, normalise(minibatch), mean, std))
    for cell, same in zip(cells, expressed, strict=True):
        assert torch.equal(cell["x"][cell["x"] > 0], same["x"][:-1])


@pytest.mark.parametrize("support", ["expressed", "panel"])
def test_hidden_genes_leave_the_list(minibatch, statistics, support):
    x = normalise(minibatch)
    asked = corrupt(
        minibatch, x, torch.arange(N_GENES),
        mask_ratio=0.5, silent_per_expressed=1.0, seed=0, epoch=0,
    )  # fmt: skip
    tokens = tokenise(minibatch, x, *statistics, support=support, corruption=asked)
    whole = tokenise(minibatch, x, *statistics, support=support)
    for i, (cell, before) in enumerate(zip(lists(tokens), lists(whole), strict=True)):
        hidden = asked.indices[asked.offsets[i] : asked.offsets[i + 1]]
        left = ~torch.isin(before["indices"], hidden)
        for name, values in cell.items():
            assert torch.equal(values, before[name][left])
    assert torch.equal(tokens.hidden_indices, asked.indices)
    assert whole.hidden_indices is None
