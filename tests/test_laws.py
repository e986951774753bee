"""Laws that every model keeps, whatever it learned: each is shown on trained networks."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.genes.gene_keys import gene_keys
from sctabnet.importance.contributions import contributions
from sctabnet.model.network import Network
from sctabnet.nn.corrupt import corrupt
from sctabnet.nn.gene_table import GeneTable
from sctabnet.nn.normalise import normalise
from sctabnet.ops import ragged_entmax, segment_sum

TINY = {
    "n_d": 8,
    "n_a": 8,
    "n_steps": 2,
    "max_epochs": 2,
    "minibatch_size": 64,
    "ghost_size": 32,
}


@pytest.fixture(scope="module")
def atlas():
    sct.settings.progress_bar = False
    return sct.datasets.simulate_atlas(240, 120, n_types=3, random_state=0)


@pytest.fixture(scope="module")
def model(atlas):
    pretrained = sct.pretrain(atlas, batch_key="batch", **TINY)
    return sct.finetune(atlas, init=pretrained, labels_key="cell_type", batch_key="batch", **TINY)


def shuffled(adata, seed):
    order = np.random.default_rng(seed).permutation(adata.n_vars)
    return adata[:, order].copy()


def outputs(model, adata, **options):
    keys = tuple(model.covariates)
    corpus = Corpus.open(
        adata,
        vocabulary=model.vocabulary,
        covariate_keys=keys,
        covariate_levels=model.covariates,
        **options,
    )
    found = [p for _, p in model.predict(corpus.minibatches(minibatch_size=64))]
    return (
        torch.cat([p.logits for p in found]),
        torch.cat([p.encoded.embedding for p in found]),
        torch.cat([m for p in found for m in p.encoded.masks]),
    )


@settings(max_examples=5)
@given(seed=st.integers(0, 10_000))
def test_shuffled_columns_change_no_bit_of_a_prediction(model, atlas, seed):
    for expected, found in zip(
        outputs(model, atlas), outputs(model, shuffled(atlas, seed)), strict=True
    ):
        assert torch.equal(expected, found)


def test_shuffled_columns_change_no_bit_of_a_trained_model(model, atlas):
    other = shuffled(atlas, 1)
    pretrained = sct.pretrain(other, batch_key="batch", **TINY)
    again = sct.finetune(other, init=pretrained, labels_key="cell_type", batch_key="batch", **TINY)
    mine, theirs = model.network.state_dict(), again.network.state_dict()
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
    assert model.digest() == again.digest()


def test_another_seed_gives_another_model(model, atlas):
    other = sct.finetune(atlas, labels_key="cell_type", batch_key="batch", seed=1, **TINY)
    assert other.digest() != model.digest()


def test_a_gene_outside_the_vocabulary_changes_nothing(model, atlas):
    strange = ad.AnnData(np.full((atlas.n_obs, 3), 50.0, np.float32), obs=atlas.obs)
    strange.var_names = ["unheard-of-1", "unheard-of-2", "unheard-of-3"]
    more = ad.concat([strange, atlas], axis=1, merge="same")
    more.obs = atlas.obs
    for expected, found in zip(outputs(model, atlas), outputs(model, more), strict=True):
        assert torch.equal(expected, found)


@pytest.mark.parametrize("mask", ["softmax", "entmax15", "sparsemax"])
@pytest.mark.parametrize("support", ["expressed", "panel"])
def test_masks_sum_to_one_and_listing_order_is_ascending(atlas, mask, support):
    model = sct.pretrain(atlas, mask=mask, support=support, **TINY)
    corpus = Corpus.open(atlas, vocabulary=model.vocabulary)
    for _, found in model.predict(corpus.minibatches()):
        tokens = found.tokens
        assert (int(tokens.indices.max()) == len(model.vocabulary)) == (support == "expressed")
        inside = torch.ones(len(tokens.indices), dtype=torch.bool)
        inside[tokens.offsets[:-1]] = False
        assert bool((torch.diff(tokens.indices)[inside[1:]] > 0).all())
        for step in [*found.encoded.masks, found.encoded.aggregate_mask(tokens.offsets)]:
            assert torch.allclose(
                segment_sum(step, tokens.offsets), torch.ones(atlas.n_obs), atol=1e-5
            )
            assert float(step.min()) >= 0


@settings(max_examples=40)
@given(data=st.data(), alpha=st.sampled_from([1.5, 2.0]))
def test_on_a_smaller_panel_no_chosen_gene_loses_weight(data, alpha):
    n = data.draw(st.integers(2, 40))
    numbers = st.floats(-5, 5, allow_nan=False, width=32)
    logits = torch.tensor(data.draw(st.lists(numbers, min_size=n, max_size=n)), dtype=torch.float64)
    kept = torch.tensor(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    kept[0] = True
    full = ragged_entmax(logits, torch.tensor([0, n]), alpha)
    part = ragged_entmax(logits[kept], torch.tensor([0, int(kept.sum())]), alpha)
    assert float((part - full[kept]).min()) >= -1e-12


def test_explaining_and_predicting_are_one_code_path(model, atlas):
    corpus = Corpus.open(
        atlas,
        vocabulary=model.vocabulary,
        covariate_keys=("batch",),
        covariate_levels=model.covariates,
    )
    minibatch = corpus.take(np.arange(50))
    ((_, plain),) = model.predict([minibatch])
    _, _, explained = contributions(model.network, minibatch)
    assert torch.equal(plain.logits, explained.logits.detach())
    for a, b in zip(plain.encoded.masks, explained.encoded.masks, strict=True):
        assert torch.equal(a, b.detach())


def test_contributions_of_the_wide_path_add_up_to_the_contrast(atlas):
    model = sct.finetune(atlas, labels_key="cell_type", deep=False, **TINY)
    minibatch = Corpus.open(atlas, vocabulary=model.vocabulary).take(np.arange(30))
    targets = torch.zeros(30, dtype=torch.int64)
    value, _x, prediction = contributions(model.network, minibatch, targets)
    head = model.network.labels
    mean, weight = model.network.encoder.mean, head.wide.weight[:-1]

    def contrast(logits):
        return logits[..., 0] - logits[..., 1:].mean(-1)

    # the same cells with every listed gene at its mean
    listed = segment_sum((mean * contrast(weight))[minibatch.indices], minibatch.offsets)
    at_means = contrast(head.bias - mean @ weight) + listed
    expected = contrast(prediction.logits) - at_means
    assert torch.allclose(segment_sum(value, minibatch.offsets), expected, atol=1e-4)


def test_more_genes_leave_the_start_of_the_others_as_it_was():
    few, many = ["A", "C", "Z"], ["A", "B", "C", "Y", "Z"]
    tables = {
        len(ids): GeneTable(torch.from_numpy(gene_keys(ids)), 6, name="t", std=0.1, seed=3).weight
        for ids in (few, many)
    }
    assert torch.equal(tables[3][:3], tables[5][[0, 2, 4]])
    assert torch.equal(tables[3][-1], tables[5][-1])


@settings(max_examples=10)
@given(seed=st.integers(0, 2**31), ratio=st.floats(0.05, 0.95), silent=st.floats(0, 3))
def test_only_measured_genes_are_hidden_and_order_of_cells_does_not_matter(seed, ratio, silent):
    rng = np.random.default_rng(seed % 1000)
    counts = rng.poisson(0.5, (30, 40)).astype(np.float32)
    counts[:, 0] = 1
    names = [f"g{i}" for i in range(40)]
    first = ad.AnnData(counts[:15, :25], var={"gene": names[:25]})
    second = ad.AnnData(counts[15:, 10:], var={"gene": names[10:]})
    second.X[:, -1] = 1
    first.var_names, second.var_names = names[:25], names[10:]
    corpus = Corpus.open([first, second])
    keys = torch.from_numpy(gene_keys(corpus.vocabulary.ids))
    options = {"mask_ratio": ratio, "silent_per_expressed": silent, "seed": seed, "epoch": 1}

    def hidden(rows):
        minibatch = corpus.take(rows)
        found = corrupt(minibatch, normalise(minibatch), keys, **options)
        sets = {}
        for i, row in enumerate(rows):
            asked = slice(int(found.offsets[i]), int(found.offsets[i + 1]))
            genes = found.indices[asked]
            measured = minibatch.measured[minibatch.source_ids[i]]
            assert bool(measured[genes].all())
            listed = slice(int(minibatch.offsets[i]), int(minibatch.offsets[i + 1]))
            still = minibatch.indices[listed][found.keep[listed]]
            assert not set(still.tolist()) & set(genes.tolist())
            sets[int(row)] = (genes.tolist(), found.x[asked].tolist())
        return sets

    everything = hidden(np.arange(30))
    some = hidden(rng.permutation(30)[:12])
    assert all(everything[row] == asked for row, asked in some.items())


def test_counts_and_log1p_values_of_any_target_give_the_same_answer(atlas):
    with_log = sct.finetune(_log1p(atlas, 1e4), labels_key="cell_type", **TINY)
    expected = outputs(with_log, atlas)
    for target in (3e3, 1e4, 1e6):
        found = outputs(with_log, _log1p(atlas, target))
        assert torch.allclose(expected[0], found[0], atol=2e-4)


def _log1p(adata, target):
    counts = adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X
    values = np.log1p(counts / counts.sum(1, keepdims=True) * target).astype(np.float32)
    return ad.AnnData(values, obs=adata.obs, var=adata.var)


def test_an_unseen_batch_is_the_unknown_row(model, atlas):
    unseen, without = atlas.copy(), atlas.copy()
    unseen.obs["batch"] = "never seen"
    del without.obs["batch"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a = sct.tl.embed(unseen, model, copy=True).obsm["X_sctabnet"]
        b = sct.tl.embed(without, model, copy=True).obsm["X_sctabnet"]
    assert np.array_equal(a, b)


def test_cells_do_not_depend_on_their_neighbours(model, atlas):
    whole = outputs(model, atlas)[0]
    alone = torch.cat([outputs(model, atlas[[i]].copy(), value_kind="counts")[0] for i in range(5)])
    assert torch.allclose(whole[:5], alone, atol=1e-5)


def test_a_saved_model_says_the_same_bit_for_bit(model, atlas, tmp_path):
    model.save(tmp_path / "model")
    again = sct.Model.load(tmp_path / "model")
    assert again.digest() == model.digest()
    for expected, found in zip(outputs(model, atlas), outputs(again, atlas), strict=True):
        assert torch.equal(expected, found)
    assert torch.equal(model.calibration.logits, again.calibration.logits)


def test_a_network_has_no_parameter_that_knows_columns():
    keys = torch.from_numpy(gene_keys([f"g{i}" for i in range(7)]))
    from sctabnet.model.model_config import ModelConfig

    network = Network(ModelConfig(), keys, n_labels=3, covariate_levels=[2])
    per_gene = {name for name, p in network.state_dict().items() if p.shape[:1] in ((7,), (8,))}
    tables = {
        f"{name}.weight" for name, m in network.named_modules() if isinstance(m, GeneTable)
    } | {
        f"{room}.{name}"
        for room, part in (("encoder", network.encoder), ("labels.missing", network.labels.missing))
        for name, _ in part.named_buffers(recurse=False)
    }
    assert per_gene - tables == set()
