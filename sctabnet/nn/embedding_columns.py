"""Tables of numbers and category codes, turned into one float matrix.

Legend: n rows, g original columns, e embedded columns (a categorical column has several).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """Where a categorical column stands, how many codes it has, and how wide its embedding is."""

    column: int
    n_codes: int
    dim: int


class EmbeddingColumns(nn.Module):
    """Replace each categorical column by the embedding of its code; keep the order of columns.

    Parameters
    ----------
    n_columns
        Number of original columns ``g``.
    categorical
        The categorical columns, in ascending order of ``column``.

    Attributes
    ----------
    column_of_e
        int64 ``(e,)``: the original column that each embedded column came from.
    """

    column_of_e: Tensor
    numeric_columns: Tensor
    order_e: Tensor

    def __init__(self, n_columns: int, categorical: Sequence[CategoricalColumn] = ()) -> None:
        super().__init__()
        self.categorical = tuple(categorical)
        self.tables = nn.ModuleList(nn.Embedding(c.n_codes, c.dim) for c in self.categorical)
        width_g = torch.ones(n_columns, dtype=torch.int64)
        for c in self.categorical:
            width_g[c.column] = c.dim
        coded = {c.column for c in self.categorical}
        numeric = [column for column in range(n_columns) if column not in coded]
        # forward() builds numeric columns first; order_e puts them back where they stood.
        built = numeric + [c.column for c in self.categorical for _ in range(c.dim)]
        self._constant("column_of_e", torch.arange(n_columns).repeat_interleave(width_g))
        self._constant("numeric_columns", torch.tensor(numeric, dtype=torch.int64))
        self._constant("order_e", torch.tensor(built).argsort(stable=True))

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @property
    def n_embedded(self) -> int:
        """Number of embedded columns ``e``."""
        return len(self.column_of_e)

    def forward(self, x_ng: Tensor) -> Tensor:
        """Return ``(n, e)`` from ``(n, g)`` floats, category codes stored as floats."""
        if not self.categorical:
            return x_ng
        parts = [x_ng.index_select(1, self.numeric_columns)]
        for c, table in zip(self.categorical, self.tables, strict=True):
            parts.append(table(x_ng[:, c.column].long()))
        return torch.cat(parts, dim=1).index_select(1, self.order_e)
