from __future__ import annotations

import torch

from sctabnet.nn.glu_linear import glu_linear


def test_initial_spread_is_pytorch_tabnets() -> None:
    torch.manual_seed(0)
    linear = glu_linear(256, 100)
    assert linear.weight.shape == (200, 256)
    assert linear.bias is None
    # gain sqrt((256 + 200) / sqrt(256)) of a Xavier normal.
    gain = ((256 + 200) / 256**0.5) ** 0.5
    expected = gain * (2 / (256 + 200)) ** 0.5
    assert abs(float(linear.weight.detach().std()) / expected - 1) < 0.02
