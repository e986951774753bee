from __future__ import annotations

import numpy as np
import pytest
import torch

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.nn.normalise import normalise
from sctabnet.ops import segment_sum


def test_the_loss_falls_and_the_best_epoch_is_kept(cells, tiny):
    short = sct.pretrain(cells, **tiny)
    longer = sct.pretrain(cells, **(tiny | {"max_epochs": 12}))
    assert longer.history[-1]["val_loss"] < short.history[-1]["val_loss"]
    assert longer.history[-1]["best_epoch"] <= longer.history[-1]["epochs"] <= 12
    assert longer.labels == () and longer.network.labels is None


def test_hidden_genes_are_predicted_better_than_by_their_means(cells, tiny):
    """What pretraining is for: the visible genes tell something about the hidden ones."""
    model = sct.pretrain(cells, **(tiny | {"max_epochs": 20, "learning_rate": 0.01}))
    minibatch = Corpus.open(cells, vocabulary=model.vocabulary).take(np.arange(240))
    network = model.network
    with torch.no_grad():
        loss, asked, _, _ = network.reconstruction_loss(minibatch, seed=0, epoch=99, train=False)
    rate_g = torch.bincount(minibatch.indices, torch.expm1(normalise(minibatch)), minlength=120)
    means = torch.log1p(rate_g / 240)[asked.indices]
    depth = segment_sum(minibatch.values, minibatch.offsets) / 1e4
    baseline = network.reconstruct.loss(means, asked, network.encoder.std, depth)
    assert loss < 0.75 * baseline


def test_mean_attention_is_a_share_of_the_genes(pretrained):
    attention = pretrained.network.encoder.attention
    assert (attention >= 0).all() and 0.2 < float(attention.sum()) <= 1 + 1e-5


def test_counts_and_log1p_values_are_told_apart(cells, pretrained, tiny):
    adata = cells.copy()
    adata.X = adata.X.multiply(1e4 / adata.X.sum(1)).tocsr().log1p().astype(np.float32)
    assert pretrained.config.accepts == "counts"
    assert sct.pretrain(adata, **tiny).config.accepts == "any"


def test_a_saved_model_goes_on_as_the_one_in_memory(cells, pretrained, tmp_path):
    folder = pretrained.save(tmp_path / "model")
    options = {"labels_key": "cell_type", "max_epochs": 1}
    first = sct.finetune(cells, init=pretrained, **options)
    assert sct.finetune(cells, init=folder, **options).digest() == first.digest()
    assert sct.finetune(cells, init=str(folder), **options).digest() == first.digest()


@pytest.mark.parametrize("n_cells", [2, 3])
def test_very_few_cells(cells, tiny, n_cells):
    model = sct.pretrain(cells[:n_cells].copy(), **tiny)
    assert all(torch.isfinite(p).all() for p in model.network.parameters())


def test_batch_norms_learn_while_they_train(cells, tiny):
    """A model at rest is in evaluation mode; what trains it must not leave it there."""
    start = sct.pretrain(cells, **tiny)
    tuned = sct.finetune(cells, init=start, labels_key="cell_type", max_epochs=1)
    for before, after in [({}, start), (start.network.state_dict(), tuned)]:
        state = after.network.state_dict()
        running = [name for name in state if "running_mean" in name]
        assert running and all(bool(state[name].any()) for name in running)
        assert all(not torch.equal(state[n], before[n]) for n in running if n in before)
        assert not any(module.training for module in after.network.modules())
