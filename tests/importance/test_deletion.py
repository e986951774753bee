"""Deleted genes take their mean, in all cells, and nothing else changes."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from sctabnet.importance.choose_readout import READOUTS, choose_readout
from sctabnet.importance.deletion import FRACTIONS, deletion
from sctabnet.importance.matrix_of import matrix_of


def test_equals_deletion_from_a_dense_matrix(linear, some_cells, rng):
    head, labels = linear.network.labels, some_cells.labels.numpy()
    score = rng.random(80)
    found = deletion(linear, some_cells, labels, {"mine": score})["mine"]
    assert found.shape == (1 + len(FRACTIONS), len(some_cells))
    mean = linear.network.encoder.mean.double().numpy()
    weight = head.wide.weight.detach().double().numpy()[:-1]
    for i, fraction in enumerate((0.0, *FRACTIONS)):
        x = matrix_of(some_cells).toarray()
        n_deleted = max(1, round(fraction * 80)) if fraction else 0
        top = np.argsort(-score)[:n_deleted]
        x[:, top] = mean[top]
        logits = (x - mean) @ weight + head.bias.detach().double().numpy()
        expected = softmax(logits / float(head.log_temperature.exp()), axis=1)
        np.testing.assert_allclose(found[i], expected[np.arange(40), labels], atol=1e-5)


def test_better_than_random_and_told(linear, small_atlas, some_cells):
    told = choose_readout(linear, some_cells, some_cells)
    assert told["readout"] in READOUTS
    assert told["fractions"] == [0.0, *FRACTIONS]
    assert set(told["curves"]) == {*READOUTS, "random"}
    assert sum(told["curves"][told["readout"]]) < sum(told["curves"]["random"])
