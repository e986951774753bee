from __future__ import annotations

import torch
from hypothesis import given

from sctabnet.ops import row_index, segment_sum
from tests.ops.ragged import lists


@given(lists=lists())
def test_equals_index_add(lists):
    indices, offsets, _ = lists
    x = torch.randn(len(indices), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = row_index(offsets)
    assert torch.equal(rows.bincount(minlength=len(offsets) - 1), offsets.diff())
    expected = x.new_zeros(len(offsets) - 1).index_add(0, rows, x)
    torch.testing.assert_close(segment_sum(x, offsets), expected)


def test_gradcheck():
    x = torch.randn(6, dtype=torch.float64, requires_grad=True)
    offsets = torch.tensor([0, 2, 2, 6])
    assert torch.autograd.gradcheck(lambda x: segment_sum(x, offsets), (x,))
