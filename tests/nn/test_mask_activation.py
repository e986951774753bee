from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.nn.mask_activation import mask_activation

entmax = pytest.importorskip("entmax")
ORACLES = {
    "softmax": lambda z: torch.softmax(z, 1),
    "entmax15": lambda z: entmax.entmax15(z, dim=1),
    "sparsemax": lambda z: entmax.sparsemax(z, dim=1),
}
MASKS = sorted(ORACLES)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_equals_entmax_package(mask: str, scale: float) -> None:
    torch.manual_seed(0)
    logits_ng = torch.randn(20, 50, dtype=torch.float64) * scale
    logits_ng[0] = 0.3  # ties
    ours_ng = logits_ng.clone().requires_grad_()
    theirs_ng = logits_ng.clone().requires_grad_()
    weights_ng = torch.randn_like(logits_ng)
    out_ng, expected_ng = mask_activation(ours_ng, mask), ORACLES[mask](theirs_ng)
    torch.testing.assert_close(out_ng, expected_ng, rtol=0, atol=1e-10)
    (out_ng * weights_ng).sum().backward()
    (expected_ng * weights_ng).sum().backward()
    torch.testing.assert_close(ours_ng.grad, theirs_ng.grad, rtol=1e-8, atol=1e-10)
    if mask != "softmax":
        assert (ours_ng.grad[out_ng == 0] == 0).all()
        assert (out_ng == 0).any()


@pytest.mark.parametrize("mask", MASKS)
def test_gradient_equals_finite_differences(mask: str) -> None:
    torch.manual_seed(1)
    logits_ng = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: mask_activation(z, mask), (logits_ng,))


@settings(max_examples=50, deadline=None)
@given(
    mask=st.sampled_from(MASKS),
    row=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=30),
    shift=st.floats(-100, 100, width=32),
)
def test_rows_are_distributions_that_ignore_a_shift(
    mask: str, row: list[float], shift: float
) -> None:
    logits_ng = torch.tensor([row], dtype=torch.float64)
    out_ng = mask_activation(logits_ng, mask)
    assert (out_ng >= 0).all()
    torch.testing.assert_close(out_ng.sum(1), torch.ones(1, dtype=torch.float64))
    torch.testing.assert_close(mask_activation(logits_ng + shift, mask), out_ng, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mask", MASKS)
def test_minus_infinity_gets_no_mass(mask: str) -> None:
    logits_ng = torch.tensor([[0.0, float("-inf"), 0.5, float("-inf")]])
    out_ng = mask_activation(logits_ng, mask)
    torch.testing.assert_close(out_ng[:, [0, 2]], mask_activation(logits_ng[:, [0, 2]], mask))
    assert (out_ng[:, [1, 3]] == 0).all()


@pytest.mark.parametrize("mask", MASKS)
def test_half_precision_is_computed_in_float32(mask: str) -> None:
    logits_ng = torch.randn(3, 5).bfloat16()
    out_ng = mask_activation(logits_ng, mask)
    assert out_ng.dtype == torch.float32
    torch.testing.assert_close(out_ng, mask_activation(logits_ng.float(), mask))
