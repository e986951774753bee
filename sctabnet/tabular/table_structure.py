"""What the network must know of a table's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sctabnet._errors import InputError
from sctabnet.tabular.column_position import column_position
from sctabnet.tabular.table_encoder import TableEncoder

WIDEST_EMBEDDING = 8


def table_structure(
    table: TableEncoder,
    X: Any,
    embedding_dim: int | None,
    grouped_features: Sequence[Sequence[int | str]],
) -> dict[str, Any]:
    """Return the number of encoded columns, the categorical ones, and the groups (JSON types).

    Parameters
    ----------
    table
        Fitted on ``X``.
    X
        The training table, for the names of its columns.
    embedding_dim
        Width of every category embedding; ``None`` takes half the number of codes, at most 8.
    grouped_features
        Columns, by name or position, that share a mask entry. A column that stands in no group is
        still grouped with the indicator of its missing values.
    """
    categorical = []
    for column in sorted(table.categories):
        n_codes = table.n_codes(column)
        chosen = min(WIDEST_EMBEDDING, (n_codes + 1) // 2)
        categorical.append([column, n_codes, embedding_dim or chosen])
    groups = [[column_position(X, column) for column in group] for group in grouped_features]
    named = [column for group in groups for column in group]
    if len(named) != len(set(named)) or not all(groups):
        raise InputError(
            "grouped_features must be disjoint, non-empty lists of columns. "
            f"Found {grouped_features!r}. Name every column at most once."
        )
    indicator_of = {column: table.n_columns + i for i, column in enumerate(table.indicators)}
    groups += [[column] for column in indicator_of if column not in named]
    groups = [group + [indicator_of[c] for c in group if c in indicator_of] for group in groups]
    return {"n_columns": table.n_encoded, "categorical": categorical, "groups": groups}
