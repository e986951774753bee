from __future__ import annotations

import pytest
import torch

from sctabnet.nn.corrupt import corrupt
from sctabnet.nn.normalise import normalise

KEYS = torch.arange(200) * 7919


@pytest.fixture
def minibatch(minibatch_of):
    generator = torch.Generator().manual_seed(0)
    counts = torch.poisson(torch.full((60, 200), 0.7), generator=generator)
    counts[0], counts[1] = 1, 0  # everything expressed, nothing expressed
    measured = torch.ones(2, 200, dtype=torch.bool)
    measured[1, :50] = False
    source_ids = torch.arange(60) % 2
    source_ids[0] = 0
    return minibatch_of(counts * measured[source_ids], measured=measured, source_ids=source_ids)


def hide(minibatch, **options):
    options = {"mask_ratio": 0.4, "silent_per_expressed": 1.0, "seed": 0, "epoch": 0} | options
    return corrupt(minibatch, normalise(minibatch), KEYS, **options)


def rows_of(found):
    return torch.repeat_interleave(torch.arange(60), found.offsets.diff())


def test_what_is_hidden_is_asked_with_its_value(minibatch):
    found, x = hide(minibatch), normalise(minibatch)
    rows = torch.repeat_interleave(torch.arange(60), minibatch.offsets.diff())
    hidden = torch.stack([rows, minibatch.indices])[:, ~found.keep]
    expressed = found.x > 0
    assert torch.equal(torch.stack([rows_of(found), found.indices])[:, expressed], hidden)
    assert torch.equal(found.x[expressed], x[~found.keep])
    assert (found.weights[expressed] == 1).all()
    assert float((~found.keep).float().mean()) == pytest.approx(0.4, abs=0.02)


def test_silent_genes_are_silent_measured_asked_once_and_stand_for_all_of_them(minibatch):
    found = hide(minibatch)
    rows = rows_of(found)
    assert minibatch.measured[minibatch.source_ids[rows], found.indices].all()
    pairs = rows * 200 + found.indices
    assert (pairs.diff() > 0).all()  # ascending, so none twice
    silent = found.x == 0
    panel = minibatch.measured.sum(1)[minibatch.source_ids]
    n_silent = panel - minibatch.offsets.diff()
    stood_for = torch.zeros(60).index_add_(0, rows[silent], found.weights[silent])
    asked = torch.bincount(rows[silent], minlength=60) > 0
    torch.testing.assert_close(stood_for[asked], (n_silent * 0.4)[asked].float())
    assert asked[1:].all() and not asked[0]
    # an unbiased choice: the mean over draws of what stands for a gene is the share hidden
    total = torch.zeros(200)
    for seed in range(120):
        draw = hide(minibatch, seed=seed)
        mine = (rows_of(draw) == 3) & (draw.x == 0)
        total.index_add_(0, draw.indices[mine], draw.weights[mine])
    start, stop = minibatch.offsets[3], minibatch.offsets[4]
    expressed = torch.zeros(200, dtype=torch.bool)
    expressed[minibatch.indices[start:stop]] = True
    unmeasured = ~minibatch.measured[1]
    assert (total[expressed | unmeasured] == 0).all()
    mean = total[~(expressed | unmeasured)] / 120
    assert float(mean.mean()) == pytest.approx(0.4, abs=0.01)
    assert float(mean.std()) < 0.2


def test_epochs_and_seeds_hide_other_genes(minibatch):
    first = hide(minibatch)
    assert torch.equal(first.keep, hide(minibatch).keep)
    for other in (hide(minibatch, epoch=1), hide(minibatch, seed=1), hide(minibatch, epoch=-1)):
        assert 0.3 < float((first.keep ^ other.keep).float().mean()) < 0.7


def test_a_larger_share_hides_the_same_genes_and_more(minibatch):
    few, many = hide(minibatch, mask_ratio=0.2), hide(minibatch, mask_ratio=0.8)
    assert not (many.keep & ~few.keep).any()


def test_no_silent_genes_asked_for(minibatch):
    found = hide(minibatch, silent_per_expressed=0.0)
    silent = torch.bincount(rows_of(found)[found.x == 0], minlength=60)
    assert silent.max() <= 1  # one at least, so that an empty cell has something to answer
