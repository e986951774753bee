from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_MISSING = {"", "nan", "<NA>"}


def categories(columns: Iterable[pd.Series]) -> tuple[str, ...]:
    """Return the values that occur in any of the columns, as text, ascending.

    Categories that no cell has are left out, and so are missing values, also where they became
    text (``""``, ``"nan"``, ``"<NA>"``: what ``astype(str)`` makes of them).

    Parameters
    ----------
    columns
        Columns of ``obs``, of any type.

    Returns
    -------
    tuple of str
    """
    found: set[str] = set()
    for column in columns:
        found.update(_text(value) for value in column.dropna().unique())
    return tuple(sorted(found - _MISSING))


def encode(column: pd.Series, levels: Sequence[str]) -> NDArray[Any]:
    """Return each cell's position in ``levels``, -1 where the value is missing or not among them.

    The integer type is the smallest that holds all positions, for corpora of very many cells.
    """
    codes, values = pd.factorize(column, use_na_sentinel=True)
    position = {level: i for i, level in enumerate(levels)}
    translation = [position.get(_text(value), -1) for value in values]
    dtype = np.min_scalar_type(-len(levels) - 2)
    return np.array([*translation, -1], dtype=dtype)[codes]


def _text(value: Any) -> str:
    """Return a value as text; whole floats (labels read from a CSV with gaps) without ``.0``."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
