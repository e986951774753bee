from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.classification import BinaryCalibrationError

from sctabnet.model.calibration_error import calibration_error


@pytest.mark.parametrize("n_bins", [5, 15])
def test_is_torchmetrics(n_bins):
    rng = np.random.default_rng(0)
    confidence = rng.random(500)
    correct = rng.random(500) < confidence**2
    # torchmetrics takes p of one class: with all targets 1 or 0 it is the confidence itself
    oracle = BinaryCalibrationError(n_bins=n_bins, norm="l1")
    expected = oracle(torch.from_numpy(confidence), torch.from_numpy(correct.astype(int)))
    assert calibration_error(correct, confidence, n_bins=n_bins) == pytest.approx(
        float(expected), abs=1e-5
    )


def test_certain_and_right_or_wrong():
    assert calibration_error([True] * 4, [1.0] * 4) == 0
    assert calibration_error([False] * 4, [1.0] * 4) == 1
