from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sctabnet.nn.column_groups import ColumnGroups


def test_a_groups_mass_is_shared_equally() -> None:
    # Columns 0, 1 (two embedded), 2, 3; group {3, 1}, then 0 and 2 alone.
    groups = ColumnGroups(torch.tensor([0, 1, 1, 2, 3]), 4, [[3, 1]])
    assert groups.n_groups == 3
    mask_na = torch.tensor([[0.8, 0.2, 0.0]])
    torch.testing.assert_close(groups.to_columns(mask_na), torch.tensor([[0.2, 0.4, 0.0, 0.4]]))
    torch.testing.assert_close(
        groups.to_embedded(mask_na), torch.tensor([[0.2, 0.2, 0.2, 0.0, 0.4]])
    )
    torch.testing.assert_close(
        groups.members(torch.tensor([[1.0, 0.0, 0.0]])), torch.tensor([[0.0, 1, 1, 0, 1]])
    )


@given(st.data())
def test_no_mass_is_lost(data: st.DataObject) -> None:
    widths = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=8))
    column_of_e = torch.arange(len(widths)).repeat_interleave(torch.tensor(widths))
    order = data.draw(st.permutations(range(len(widths))))
    cut = data.draw(st.integers(0, len(widths)))
    named = [group for group in (order[:cut], order[cut : cut + 2]) if group]
    groups = ColumnGroups(column_of_e, len(widths), named)
    mask_na = torch.softmax(torch.randn(5, groups.n_groups), 1)
    for spread in (groups.to_columns(mask_na), groups.to_embedded(mask_na)):
        torch.testing.assert_close(spread.sum(1), torch.ones(5))


def test_without_groups_nothing_is_copied() -> None:
    groups = ColumnGroups(torch.arange(6), 6)
    mask_na = torch.rand(2, 6)
    assert groups.to_embedded(mask_na) is mask_na
    assert groups.to_columns(mask_na) is mask_na


def test_a_column_in_two_groups_is_a_programming_error() -> None:
    with pytest.raises(AssertionError, match="two groups"):
        ColumnGroups(torch.arange(3), 3, [[0, 1], [1]])
