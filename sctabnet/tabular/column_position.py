"""Columns by name or by position."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sctabnet._errors import InputError


def column_position(X: Any, column: int | str) -> int:
    """Return where a column stands that is given by its name or its position."""
    if isinstance(column, str):
        names = list(X.columns) if isinstance(X, pd.DataFrame) else []
        if column not in names:
            raise InputError(
                f"There is no column named {column!r}. Found {names[:10]}. "
                "Pass a name from the data frame, or a position."
            )
        return names.index(column)
    if not 0 <= column < X.shape[1]:
        raise InputError(
            f"There is no column {column}. Found {X.shape[1]} columns. "
            f"Pass positions from 0 to {X.shape[1] - 1}."
        )
    return int(column)
