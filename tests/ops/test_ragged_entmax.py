from __future__ import annotations

import itertools

import entmax
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.ops import ragged_entmax, segment_sum, set_backend

ORACLE = {1: torch.softmax, 1.5: entmax.entmax15, 2: entmax.sparsemax}
NAMES = st.sampled_from(["torch", "numba"])
ALPHAS = [1, 1.5, 2]


def by_rows(logits, offsets, alpha):
    rows = [
        ORACLE[alpha](logits[start:stop].double(), -1)
        for start, stop in itertools.pairwise(offsets)
        if stop > start
    ]
    return torch.cat([logits.new_empty(0, dtype=torch.float64), *rows])


@st.composite
def ragged_logits(draw):
    """Rows of every length, many ties (few distinct values), small and large scales."""
    value = st.one_of(st.integers(-3, 3).map(float), st.floats(-4, 4, width=32))
    rows = draw(st.lists(st.lists(value, max_size=12), max_size=6))
    scale = draw(st.sampled_from([1e-3, 1.0, 30.0]))
    offsets = torch.tensor([0, *[len(row) for row in rows]]).cumsum(0)
    return torch.tensor([x for row in rows for x in row]) * scale, offsets


@settings(deadline=None)  # the first call compiles
@given(rows=ragged_logits(), alpha=st.sampled_from(ALPHAS), name=NAMES)
def test_equals_sorted_float64(rows, alpha, name):
    logits, offsets = rows
    with set_backend(name):
        mask = ragged_entmax(logits, offsets, alpha)
    torch.testing.assert_close(mask.double(), by_rows(logits, offsets, alpha), atol=1e-5, rtol=0)
    total = segment_sum(mask, offsets)
    torch.testing.assert_close(total, (offsets.diff() > 0).float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("alpha", [1.5, 2])
@pytest.mark.parametrize("spread", [0.01, 0.3, 3])
def test_support_is_exact(backend, alpha, spread):
    n_rows = 3 if backend == "triton" else 40  # its interpreter is slow
    offsets = torch.arange(0, n_rows * 1500 + 1, 1500)
    logits = torch.randn(n_rows * 1500, generator=torch.Generator().manual_seed(1)) * spread
    mask, expected = ragged_entmax(logits, offsets, alpha), by_rows(logits, offsets, alpha)
    torch.testing.assert_close(mask.double(), expected, atol=1e-6, rtol=0)
    # a member this close to the threshold is a tie in float32
    clear = (expected == 0) | (expected > 1e-9)
    assert clear.float().mean() > 0.99
    assert torch.equal((mask > 0)[clear], (expected > 0)[clear])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_gradcheck(backend, alpha):
    offsets = torch.tensor([0, 5, 5, 6, 13])
    logits = torch.randn(13, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: ragged_entmax(z, offsets, alpha), (logits,))


@pytest.mark.parametrize("alpha", [1.5, 2])
def test_no_gradient_outside_the_support(backend, alpha):
    logits = torch.tensor([3.0, 2.5, -5.0], requires_grad=True)
    mask = ragged_entmax(logits, torch.tensor([0, 3]), alpha)
    (grad,) = torch.autograd.grad(mask[0], logits)
    assert mask[2] == 0 and grad[2] == 0 and grad[0] != 0


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("level", [0.0, -1e30, 3e37])
def test_all_equal_logits(backend, alpha, level):
    mask = ragged_entmax(torch.full((1500,), level), torch.tensor([0, 1500]), alpha)
    torch.testing.assert_close(mask, torch.full((1500,), 1 / 1500), atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_one_gene_and_very_large_logits(backend, alpha):
    offsets = torch.tensor([0, 1, 3])
    mask = ragged_entmax(torch.tensor([-1e30, 3e38, -3e38]), offsets, alpha)
    assert mask.tolist() == [1, 1, 0]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_minus_infinity_is_never_chosen(backend, alpha):
    logits = torch.tensor([0.0, float("-inf"), 0.0], requires_grad=True)
    mask = ragged_entmax(logits, torch.tensor([0, 3]), alpha)
    assert mask.tolist() == pytest.approx([0.5, 0, 0.5])
    (grad,) = torch.autograd.grad(mask[0], logits)
    assert grad[1] == 0 and grad.isfinite().all()


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_a_number_is_an_error(backend, alpha, bad):
    logits = torch.tensor([0.0, 1.0, 0.0, bad, 2.0])
    with pytest.raises(ValueError, match=f"Found {bad} as the highest logit of row 1"):
        ragged_entmax(logits, torch.tensor([0, 2, 5]), alpha)


def test_a_row_without_choice_is_an_error(backend):
    with pytest.raises(ValueError, match="Found -inf as the highest logit of row 0"):
        ragged_entmax(torch.full((2,), float("-inf")), torch.tensor([0, 2]), 1.5)


def test_only_exact_alphas():
    with pytest.raises(ValueError, match=r"Found 1\.3"):
        ragged_entmax(torch.zeros(1), torch.tensor([0, 1]), 1.3)


def test_bfloat16_logits_give_a_float32_mask(backend):
    logits, offsets = torch.randn(9).bfloat16(), torch.tensor([0, 9])
    mask = ragged_entmax(logits, offsets, 1.5)
    assert mask.dtype == torch.float32
    assert torch.equal(mask, ragged_entmax(logits.float(), offsets, 1.5))
