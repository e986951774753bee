from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.ops import scale_rows, segment_sum, set_backend
from tests.ops.ragged import lists


@settings(deadline=None)  # the first call compiles
@given(lists=lists(), name=st.sampled_from(["torch", "numba"]))
def test_every_row_sums_to_the_total(lists, name):
    indices, offsets, _ = lists
    values = torch.rand(len(indices), generator=torch.Generator().manual_seed(0)) + 0.1
    with set_backend(name):
        scaled = scale_rows(values, offsets, 1e4)
    expected = torch.where(offsets.diff() > 0, 1e4, 0.0)
    torch.testing.assert_close(segment_sum(scaled, offsets), expected, rtol=1e-5, atol=0)


def test_a_row_of_zeros_stays(backend):
    out = scale_rows(torch.tensor([0.0, 0.0, 2.0]), torch.tensor([0, 2, 3]), 10)
    assert out.tolist() == [0, 0, 10]


def test_gradcheck(backend):
    values = torch.rand(5, dtype=torch.float64).add(0.1).requires_grad_()
    offsets = torch.tensor([0, 3, 3, 5])
    assert torch.autograd.gradcheck(lambda v: scale_rows(v, offsets, 3), (values,))
