"""Columns that are attended to together.

Legend: n rows, g original columns, e embedded columns, a attention groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ColumnGroups(nn.Module):
    """Spread a mask over groups of columns onto the columns, by index (no matrix of groups).

    Every column belongs to one group: the given ones first, in their order, then one group for each
    column that none of them names. A group's mass is shared equally among its columns, and a
    categorical column's equally among its embedded columns, as in pytorch-tabnet.

    Parameters
    ----------
    column_of_e
        int64 ``(e,)``: original column of each embedded column.
    n_columns
        Number of original columns ``g``.
    groups
        Lists of original columns; no column twice.
    """

    group_of_g: Tensor
    share_of_g: Tensor
    group_of_e: Tensor
    share_of_e: Tensor

    def __init__(
        self, column_of_e: Tensor, n_columns: int, groups: Sequence[Sequence[int]] = ()
    ) -> None:
        super().__init__()
        named = {column for group in groups for column in group}
        assert len(named) == sum(len(group) for group in groups), "a column is in two groups"
        members = [*groups, *([column] for column in range(n_columns) if column not in named)]
        group_of_g = torch.empty(n_columns, dtype=torch.int64)
        share_of_g = torch.empty(n_columns)
        for index, group in enumerate(members):
            group_of_g[list(group)] = index
            share_of_g[list(group)] = 1 / len(group)
        embedded_per_g = torch.bincount(column_of_e, minlength=n_columns)
        self.n_groups = len(members)
        # One group per embedded column, in order: spreading is the identity.
        self._trivial = self.n_groups == n_columns == len(column_of_e) and not groups
        self._constant("group_of_g", group_of_g)
        self._constant("share_of_g", share_of_g)
        self._constant("group_of_e", group_of_g[column_of_e])
        self._constant("share_of_e", (share_of_g / embedded_per_g)[column_of_e])

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def to_embedded(self, mask_na: Tensor) -> Tensor:
        """Return the mask over embedded columns, ``(n, e)``, from that over groups."""
        return mask_na if self._trivial else mask_na[:, self.group_of_e] * self.share_of_e

    def to_columns(self, mask_xna: Tensor) -> Tensor:
        """Return the mask over original columns, ``(..., g)``, from that over groups."""
        return mask_xna if self._trivial else mask_xna[..., self.group_of_g] * self.share_of_g

    def members(self, chosen_na: Tensor) -> Tensor:
        """Return which embedded columns belong to chosen groups: float 0 / 1 ``(n, e)``."""
        return chosen_na if self._trivial else chosen_na[:, self.group_of_e]
