"""Names of files for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of files without their folders where these differ, and numbered otherwise.

    Examples
    --------
    >>> short_names(["a/x.h5ad", "b/y.h5ad"])
    ('x.h5ad', 'y.h5ad')
    """
    short = tuple(Path(name).name for name in names)
    if len(set(short)) == len(short):
        return short
    return tuple(f"{name} ({number})" for number, name in enumerate(short))
