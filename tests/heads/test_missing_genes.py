"""Genes that a panel lacks are guessed as a Gaussian says, and scores shrink with what is open."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
import torch
from sklearn.linear_model import LogisticRegression

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.data.simulate import simulate_atlas
from sctabnet.heads.missing_genes import N_AXES, MissingGenes

N_GENES, N_SCORES = 30, 4


@pytest.fixture
def fitted(rng):
    missing = MissingGenes(N_GENES)
    missing.axes.copy_(torch.from_numpy(rng.normal(size=(N_GENES, N_AXES)) / 5))
    missing.noise.copy_(torch.from_numpy(rng.uniform(0.2, 1, N_GENES)))
    missing.level.copy_(torch.from_numpy(rng.dirichlet(np.ones(N_GENES))))
    return missing


def test_scores_are_those_of_the_conditional_mean(fitted, rng):
    weight = rng.normal(size=(N_GENES, N_SCORES))
    measured = rng.random((3, N_GENES)) < 0.6
    filled = fitted(torch.from_numpy(measured), torch.from_numpy(weight).float())
    axes, noise = fitted.axes.double().numpy(), fitted.noise.double().numpy()
    covariance = axes @ axes.T + np.diag(noise)
    for number, s in enumerate(measured):
        to_hidden = np.linalg.solve(covariance[np.ix_(s, s)], covariance[np.ix_(s, ~s)])
        expected = weight[s] + to_hidden @ weight[~s]
        added = filled.loadings_ga.numpy()[:-1][s] @ filled.weight_sac[number].numpy()
        np.testing.assert_allclose(weight[s] + added, expected, atol=1e-4)
        left = covariance[np.ix_(~s, ~s)] - covariance[np.ix_(~s, s)] @ to_hidden
        open_ = weight[~s].T @ left @ weight[~s]
        np.testing.assert_allclose(filled.covariance_scc[number].numpy(), open_, rtol=1e-3)
        between = [
            open_[i, i] + open_[j, j] - 2 * open_[i, j]
            for i in range(N_SCORES)
            for j in range(N_SCORES)
            if i != j
        ]
        scale = (1 + np.pi / 8 * np.mean(between)) ** -0.5
        assert filled.scale_s[number].item() == pytest.approx(scale, rel=1e-4)


def test_nothing_changes_where_no_used_gene_is_missing(fitted, rng):
    weight = torch.from_numpy(rng.normal(size=(N_GENES, N_SCORES))).float()
    weight[7] = 0
    panel = torch.ones(1, N_GENES)
    panel[0, 7] = 0
    assert fitted(panel, weight) is None
    assert MissingGenes(N_GENES)(torch.zeros(1, N_GENES), weight) is None
    x, offsets = torch.rand(9), torch.tensor([0, 4, 9])
    assert fitted.rescale(x, offsets, torch.ones(1, N_GENES), torch.tensor([0, 0])) is x


def test_values_are_those_of_a_whole_cell(fitted):
    counts = fitted.level.double()
    whole = torch.log1p(counts / counts.sum() * 1e4)
    half = torch.arange(N_GENES) % 2 == 0
    seen = torch.log1p(counts[half] / counts[half].sum() * 1e4)
    offsets, where = torch.tensor([0, len(seen)]), torch.tensor([0])
    found = fitted.rescale(seen, offsets, half[None].float(), where)
    torch.testing.assert_close(found, whole[half], rtol=1e-5, atol=1e-5)


def test_training_on_several_panels_sees_no_change_on_average():
    atlas = simulate_atlas(600, 120, n_types=3, random_state=5)
    some = [atlas[:300, :90].copy(), atlas[300:, 30:].copy()]
    model = sct.finetune(some, labels_key="cell_type", deep=False)
    level = model.network.labels.missing.level.double()
    corpus = Corpus.open(some, vocabulary=model.vocabulary)
    shares = torch.from_numpy(corpus.measured).double() @ level
    assert shares.mean().item() == pytest.approx(1, abs=0.02)
    assert (shares < 1.15).all() and level.sum() > 1.05
    # slopes of cells from both panels are those of each panel's own weights
    cells, head = corpus.take(np.arange(280, 320)), model.network.labels
    mix = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        args = (cells.indices, cells.offsets, cells.measured, cells.source_ids)
        found = head.wide_slopes(mix, *args)
        weight = head.wide_weights(cells.measured)
    cell = torch.arange(40).repeat_interleave(cells.offsets.diff())
    expected = (weight[cells.source_ids[cell], cells.indices] * mix[cell]).sum(1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_query_with_a_fifth_of_the_genes():
    atlas = simulate_atlas(900, 300, n_types=5, n_markers=10, random_state=3)
    model = sct.finetune(atlas[:500].copy(), labels_key="cell_type", deep=False)
    query = atlas[500:].copy()
    truth = query.obs.pop("cell_type").astype(str).to_numpy()
    few = np.sort(np.random.default_rng(1).permutation(300)[:60])
    small = query[:, few].copy()
    with pytest.warns(UserWarning, match="60 of the model.s 300 genes"):
        sct.tl.transfer_labels(small, model, coverage=0.9)
    right = small.obs["sctabnet_label"].astype(str).to_numpy() == truth
    confidence = small.obs["sctabnet_confidence"].to_numpy()
    known, new = (
        sc.pp.log1p(sc.pp.normalize_total(a, target_sum=1e4, copy=True), copy=True)
        for a in (atlas[:500, few], atlas[500:, few])
    )
    taught = LogisticRegression(C=0.1, max_iter=500).fit(known.X, known.obs["cell_type"])
    assert right.mean() > (taught.predict(new.X) == truth).mean() - 0.03  # which saw them all
    assert abs(confidence.mean() - right.mean()) < 0.12
    sets = [set(text.split("|")) for text in small.obs["sctabnet_label_set"]]
    assert np.mean([name in of for name, of in zip(truth, sets, strict=True)]) > 0.85
    # the logits are linear in what the panel measured, as the explanation takes them to be
    corpus = Corpus.open(small, vocabulary=model.vocabulary)
    cells, head = corpus.take(np.arange(50)), model.network.labels
    with torch.no_grad():
        tokens = model.network.tokens(cells)
        x = head.missing.rescale(
            tokens.x, tokens.offsets, tokens.panel, torch.zeros(50, dtype=torch.int64)
        )
        dense = torch.zeros(50, len(model.vocabulary) + 1)
        dense[torch.arange(50).repeat_interleave(tokens.offsets.diff()), tokens.indices] = x
        weight = head.wide_weights(cells.measured)[0]
        change = (dense[1:, :-1] - dense[:1, :-1]) @ weight
        logits = head.wide_logits(tokens, model.network.encoder.mean)
    torch.testing.assert_close(logits[1:] - logits[:1], change, rtol=1e-3, atol=1e-3)


def test_one_panel_is_solved_once_and_another_anew(fitted, rng):
    weight = torch.from_numpy(rng.standard_normal((len(fitted.noise), 3))).float()
    panel = torch.ones(1, len(fitted.noise))
    panel[0, :5] = 0
    first = fitted(panel, weight)
    assert fitted(panel.clone(), weight.clone()) is first
    other = panel.clone()
    other[0, 5] = 0
    changed = fitted(other, weight)
    assert not torch.equal(changed.weight_sac, first.weight_sac)
    assert torch.equal(fitted(panel, weight).weight_sac, first.weight_sac)
    fitted.noise.mul_(2)
    assert not torch.equal(fitted(panel, weight).weight_sac, first.weight_sac)
    fitted.noise.div_(2)
    assert fitted.double()(panel.double(), weight.double()).weight_sac.dtype == torch.float64
    with torch.inference_mode():
        fitted(panel.double(), weight.double() + 1)
    weight = (weight.double() + 1).requires_grad_()
    filled = fitted(panel.double(), weight)
    (filled.weight_sac.sum() * weight.sum()).backward()
