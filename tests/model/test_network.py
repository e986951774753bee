from __future__ import annotations

import numpy as np
import pytest
import torch

from sctabnet.data.corpus import Corpus
from sctabnet.data.minibatch import Minibatch


@pytest.fixture
def minibatch(cells, pretrained):
    corpus = Corpus.open(
        cells, vocabulary=pretrained.vocabulary, covariate_keys=("batch",),
        covariate_levels=pretrained.covariates,
    )  # fmt: skip
    return corpus.take(np.arange(25))  # with padding still one ghost batch


def padded(minibatch, n=5):
    """The same cells and some of weight 0 behind them, with which a loader fills up."""

    def longer(x, value):
        return torch.cat([x, x.new_full((n, *x.shape[1:]), value)])

    return Minibatch(
        values=minibatch.values, indices=minibatch.indices,
        offsets=torch.cat([minibatch.offsets, minibatch.offsets[-1:].repeat(n)]),
        labels=longer(minibatch.labels, -1), covariates=longer(minibatch.covariates, 0),
        weights=longer(minibatch.weights, 0), row_ids=longer(minibatch.row_ids, -1),
        source_ids=longer(minibatch.source_ids, 0),
        measured=minibatch.measured, is_log1p=minibatch.is_log1p,
    )  # fmt: skip


def test_padding_cells_do_not_enter_the_loss(pretrained, minibatch):
    for train in (False, True):
        pretrained.network.train(train)
        before = {k: v.clone() for k, v in pretrained.network.state_dict().items()}
        losses = []
        for cells in (minibatch, padded(minibatch)):
            pretrained.network.load_state_dict(before)
            loss, *_ = pretrained.network.reconstruction_loss(cells, seed=0, epoch=0)
            losses.append(loss.detach())
        pretrained.network.load_state_dict(before)
        pretrained.network.eval()
        torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)


def test_a_cell_is_corrupted_alike_in_every_minibatch(pretrained, cells):
    corpus = Corpus.open(cells, vocabulary=pretrained.vocabulary, covariate_keys=("batch",))
    network = pretrained.network

    def predictions(rows):
        with torch.no_grad():
            _, asked, predicted, _ = network.reconstruction_loss(
                corpus.take(rows), seed=3, epoch=1, train=False
            )
        bounds = list(zip(asked.offsets[:-1], asked.offsets[1:], strict=True))
        return {
            int(row): (asked.indices[a:b], predicted[a:b])
            for row, (a, b) in zip(rows, bounds, strict=True)
        }

    whole, some = predictions(np.arange(60)), predictions(np.array([41, 7, 23]))
    for row, (genes, values) in some.items():
        assert torch.equal(genes, whole[row][0])
        torch.testing.assert_close(values, whole[row][1], rtol=1e-4, atol=1e-5)


def test_covariates_are_dropped_in_training_only(pretrained, minibatch):
    network = pretrained.network
    with torch.no_grad():
        torch.nn.init.normal_(network.encoder.covariates.weight)
        plain = network(minibatch).encoded.embedding
        assert torch.equal(plain, network(minibatch).encoded.embedding)
        dropped = network(minibatch, epoch=0).encoded.embedding
        same = torch.isclose(plain, dropped, atol=1e-5).all(1)
        torch.nn.init.zeros_(network.encoder.covariates.weight)
    assert 0 < int((~same).sum()) < 20  # a fifth of the cells, on average


def test_gradients_reach_given_values(model, minibatch):
    from sctabnet.nn.normalise import normalise

    x = normalise(minibatch).requires_grad_()
    prediction = model.network(minibatch, x=x)
    (gradient,) = torch.autograd.grad(prediction.logits[:, 0].sum(), x)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    torch.testing.assert_close(prediction.logits, model.network(minibatch).logits)
