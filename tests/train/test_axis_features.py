"""Scaled genes beside axes of variation: still linear in the genes, with the prior that is said."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import sctabnet as sct
from sctabnet.data.simulate import simulate_atlas
from sctabnet.train.axis_features import STRENGTH, AxisFeatures
from sctabnet.train.gene_factors import GeneFactors


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_weights_of_features_are_weights_of_genes(rng, power):
    x = sp.random_array((30, 12), density=0.5, rng=rng, format="csr")
    std, loadings = rng.uniform(0.3, 2, 12), np.zeros((12, 5))
    loadings[:, :3] = rng.standard_normal((12, 3))
    features = AxisFeatures(std, loadings, power=power)
    weight = rng.standard_normal((12 + 3, 4))
    np.testing.assert_allclose(features.of(x) @ weight, x @ features.to_genes(weight))


def test_prior_covariance_is_that_of_the_formula(rng):
    std, axes = rng.uniform(0.3, 2, 12), np.linalg.qr(rng.standard_normal((12, 3)))[0]
    features = AxisFeatures(std, axes * [5.0, 2.0, 1.0], power=0.5)
    to_genes = features.to_genes(np.eye(15))
    scale = np.diag(std**-0.5)
    expected = scale @ (np.eye(12) + STRENGTH**2 * axes @ axes.T) @ scale
    np.testing.assert_allclose(to_genes @ to_genes.T, expected)


def test_axes_that_are_given_twice_count_once(rng):
    std, axes = rng.uniform(0.3, 2, 12), rng.standard_normal((12, 3))
    once, twice = (AxisFeatures(std, *[axes] * n, power=0.0).to_genes for n in (1, 2))
    once, twice = once(np.eye(15)), twice(np.eye(18))
    np.testing.assert_allclose(twice @ twice.T, once @ once.T)


def test_few_labels_go_further_after_pretraining():
    atlas = simulate_atlas(900, 200, n_types=4, n_markers=6, random_state=3)
    few = np.concatenate(
        [np.flatnonzero(atlas.obs["cell_type"][:600] == name)[:6] for name in
         atlas.obs["cell_type"].unique()]
    )  # fmt: skip
    new = atlas[600:]
    pretrained = sct.pretrain(atlas[:600].copy(), max_epochs=1)
    loss = []
    for init in (None, pretrained):
        model = sct.finetune(atlas[few].copy(), init=init, labels_key="cell_type", deep=False)
        answer = sct.tl.transfer_labels(new.copy(), model, copy=True)
        loss.append((answer.obs["sctabnet_label"].astype(str) != new.obs["cell_type"]).mean())
    assert loss[1] < loss[0] - 0.02


def test_axes_follow_the_genes_into_another_order():
    atlas = simulate_atlas(200, 60, n_types=2, random_state=0)
    model = sct.pretrain(atlas, max_epochs=1)
    factors = GeneFactors.of_pretraining(model.network)
    assert factors is not None and factors.loadings_gqa.any((0, 2)).all()
    other = sct.finetune(
        atlas[:, ::-1].copy(), init=model, labels_key="cell_type", deep=False
    )  # fmt: skip
    rows = [other.vocabulary.ids.index(gene) for gene in model.vocabulary.ids]
    assert torch.equal(other.network.encoder.loadings[rows], model.network.encoder.loadings)
