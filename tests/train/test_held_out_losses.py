from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from sctabnet.train.held_out_losses import held_out_losses
from sctabnet.train.log_temperature import log_temperature


def logits_of(seed, n_cells=60, n_labels=4):
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(n_labels), rng.choice(n_labels, n_cells, p=[0.7, 0.2, 0.07, 0.03])]
    return rng.normal(size=(len(labels), n_labels)) + 2 * np.eye(n_labels)[labels], labels


@given(st.integers(0, 50), st.floats(0.5, 2.0))
def test_shrinking_the_logits_wins_nothing(seed, factor):
    logits, labels = logits_of(seed)
    np.testing.assert_allclose(
        held_out_losses(factor * logits, labels), held_out_losses(logits, labels), rtol=1e-3
    )


@given(st.integers(0, 50))
def test_every_label_counts_alike(seed):
    logits, labels = logits_of(seed)
    scaled = logits / np.exp(log_temperature(logits, labels))
    each = -log_softmax(scaled, axis=1)[np.arange(len(labels)), labels]
    expected = np.mean([each[labels == label].mean() for label in np.unique(labels)])
    assert held_out_losses(logits, labels).mean() == pytest.approx(expected)


def test_with_as_many_cells_of_each_label_it_is_the_log_loss():
    labels = np.repeat(np.arange(3), 20)
    logits = np.random.default_rng(0).normal(size=(60, 3)) + np.eye(3)[labels]
    scaled = logits / np.exp(log_temperature(logits, labels))
    expected = log_loss(labels, np.exp(log_softmax(scaled, axis=1)))
    assert held_out_losses(logits, labels).mean() == pytest.approx(expected)


def test_a_label_that_no_held_out_cell_has_is_left_out():
    logits, labels = logits_of(0)
    some = labels != 3
    assert np.isfinite(held_out_losses(logits[some], labels[some])).all()
