from __future__ import annotations

import numpy as np
import pytest
from crepes import ConformalClassifier

from sctabnet.uncertainty.conformal_limits import conformal_limits
from sctabnet.uncertainty.set_distances import set_distances


def conformal_sets(probability, limits):
    return set_distances(probability, limits) == 0


def cells_of(n, rng, shares=(0.5, 0.3, 0.2), sharpness=1.5):
    labels = rng.choice(len(shares), n, p=shares)
    logits = rng.normal(size=(n, len(shares)))
    logits[np.arange(n), labels] += sharpness
    probability = np.exp(logits)
    return probability / probability.sum(1, keepdims=True), labels


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_is_crepes_label_by_label(coverage):
    rng = np.random.default_rng(0)
    calibration, labels = cells_of(400, rng)
    probability, _ = cells_of(300, rng)
    sets = conformal_sets(probability, conformal_limits(calibration, labels, coverage=coverage))
    for label in range(3):
        own = 1 - calibration[labels == label, label]
        oracle = ConformalClassifier().fit(own)
        p = oracle.predict_p((1 - probability[:, [label]]), smoothing=False).ravel()
        assert np.array_equal(sets[:, label], p > 1 - coverage + 1e-12)


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_hold_the_true_label_as_often_as_promised_for_every_label(coverage):
    rng = np.random.default_rng(1)
    held = np.zeros((200, 3))
    for repeat in range(200):
        calibration, labels = cells_of(150, rng)
        probability, truth = cells_of(150, rng)
        sets = conformal_sets(probability, conformal_limits(calibration, labels, coverage=coverage))
        inside = sets[np.arange(150), truth]
        held[repeat] = [inside[truth == label].mean() for label in range(3)]
    mean = held.mean(0)
    error = held.std(0) / np.sqrt(200)
    assert (mean > coverage - 3 * error).all() and (mean < coverage + 0.06).all()


def test_higher_coverage_gives_larger_sets():
    rng = np.random.default_rng(2)
    calibration, labels = cells_of(300, rng)
    probability, _ = cells_of(200, rng)
    small, large = (
        conformal_sets(probability, conformal_limits(calibration, labels, coverage=c))
        for c in (0.7, 0.95)
    )
    assert (small <= large).all() and small.sum() < large.sum()


def test_a_label_with_few_calibration_cells_is_not_promised_away():
    rng = np.random.default_rng(3)
    calibration, labels = cells_of(200, rng, shares=(0.6, 0.38, 0.02))
    limits = conformal_limits(calibration, labels, coverage=0.95)
    own = 1 - calibration[labels == 2, 2]
    assert 0 < len(own) < 19 and limits[2] >= own.max()
    none = conformal_limits(calibration[labels < 2], labels[labels < 2], coverage=0.95)
    assert none[2] == pytest.approx(
        np.sort(1 - calibration[np.arange(200), labels][labels < 2])[
            int(np.ceil((np.sum(labels < 2) + 1) * 0.95)) - 1
        ]
    )


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, 1.5])
def test_bad_coverage_is_named(coverage):
    with pytest.raises(ValueError, match=f"between 0 and 1. Found {coverage}"):
        conformal_limits(np.ones((1, 1)), np.zeros(1, int), coverage=coverage)
