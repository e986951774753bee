from __future__ import annotations

import numpy as np
import pytest

from sctabnet.uncertainty.unknown_threshold import unknown_threshold


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.2])
def test_no_more_known_cells_exceed_it_than_allowed(rate):
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(400):
        threshold = unknown_threshold(rng.gamma(2.0, 1.0, 100), false_positive_rate=rate)
        shares.append((rng.gamma(2.0, 1.0, 200) > threshold).mean())
    assert rate * 0.7 - 0.01 < np.mean(shares) < rate + 3 * np.std(shares) / 20


def test_is_an_order_statistic():
    scores = np.arange(19.0)[::-1]
    assert unknown_threshold(scores, false_positive_rate=0.05) == 18
    assert unknown_threshold(scores, false_positive_rate=0.1) == 17
    assert unknown_threshold(scores, false_positive_rate=0.01) == np.inf


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_bad_rates_are_named(rate):
    with pytest.raises(ValueError, match=f"must lie between 0 and 1. Found {rate}"):
        unknown_threshold(np.arange(3.0), false_positive_rate=rate)
