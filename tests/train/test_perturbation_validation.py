"""A baseline takes the mixed model's place only where left-out conditions are sure of it."""

from __future__ import annotations

import numpy as np
import pytest

from sctabnet.train.perturbation_validation import _choose_gate


@pytest.mark.parametrize(("gain_in_standard_errors", "kept"), [(-3.0, 1), (1.5, 1), (2.5, 0)])
def test_a_baseline_must_lead_by_two_standard_errors(gain_in_standard_errors, kept):
    n = 16
    truth = np.zeros((n, 2))
    spread = np.tile([-1.0, 1.0], n // 2)
    error = spread.std(ddof=1) / np.sqrt(n)
    # one gene: the mixed model misses by 10, the baseline by that less its gain
    mixed, base = np.zeros((n, 2)), np.zeros((n, 2))
    mixed[:, 0] = 10.0
    base[:, 0] = 10.0 - (gain_in_standard_errors * error + spread)
    assert _choose_gate(base, mixed, truth) == kept


def test_the_mean_of_both_is_taken_where_it_is_best():
    truth = np.zeros((8, 1))
    assert _choose_gate(np.full((8, 1), -1.0), np.full((8, 1), 1.1), truth) == 0.5
