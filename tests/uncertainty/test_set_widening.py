"""Sets of a query that is judged with less confidence keep their promise, without its labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from sctabnet.uncertainty.conformal_limits import conformal_limits
from sctabnet.uncertainty.set_distances import set_distances
from sctabnet.uncertainty.set_widening import set_widening


def cells_of(n, rng, flatness=1.0):
    """Probabilities over four labels; a flat query is less sure of the same labels."""
    labels = rng.integers(4, size=n)
    logits = rng.normal(size=(n, 4))
    logits[np.arange(n), labels] += 4
    return softmax(logits / flatness, axis=1), labels


def widening(query, calibration, limits):
    tops = [set_distances(p, limits)[np.arange(len(p)), p.argmax(1)] for p in (query, calibration)]
    return set_widening(*tops)


def test_distances_are_zero_in_the_set_and_grow_with_the_limit():
    rng = np.random.default_rng(0)
    calibration, labels = cells_of(300, rng)
    limits = conformal_limits(calibration, labels, coverage=0.9)
    probability, _ = cells_of(200, rng)
    distances = set_distances(probability, limits)
    assert distances.dtype == np.float16
    assert np.array_equal(distances == 0, 1 - probability <= limits)
    wider = 1 / (1 + np.exp(-(np.log(limits / (1 - limits)) + 1.0)))
    assert ((distances <= 1.0) == (1 - probability <= wider)).mean() > 0.998
    assert (set_distances(probability, np.full(4, np.inf)) == 0).all()


def test_like_cells_are_left_alone():
    rng = np.random.default_rng(1)
    found, held = [], []
    for _ in range(100):
        calibration, labels = cells_of(200, rng)
        limits = conformal_limits(calibration, labels, coverage=0.9)
        probability, truth = cells_of(400, rng)
        found.append(widening(probability, calibration, limits))
        distances = set_distances(probability, limits)
        held.append((distances <= found[-1])[np.arange(400), truth].mean())
    assert np.mean(np.array(found) == 0) >= 0.9
    assert 0.89 < np.mean(held) < 0.93


@pytest.mark.parametrize("flatness", [1.5, 2.5])
def test_a_flatter_query_keeps_its_promise(flatness):
    rng = np.random.default_rng(2)
    calibration, labels = cells_of(1000, rng)
    limits = conformal_limits(calibration, labels, coverage=0.9)
    probability, truth = cells_of(1000, rng, flatness)
    distances = set_distances(probability, limits)
    cells = np.arange(1000)
    before = (distances <= 0)[cells, truth].mean()
    after = (distances <= widening(probability, calibration, limits))[cells, truth].mean()
    assert before < 0.8 and 0.87 < after < 0.96


def test_few_cells_are_no_evidence():
    rng = np.random.default_rng(3)
    calibration, labels = cells_of(500, rng)
    limits = conformal_limits(calibration, labels, coverage=0.9)
    probability, _ = cells_of(1, rng, 5.0)
    assert widening(probability, calibration, limits) == 0
    assert set_widening(np.zeros(0), np.zeros(5)) == set_widening(np.ones(5), np.zeros(0)) == 0
