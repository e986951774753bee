"""Messages about results that are asked for before they exist; see :mod:`sctabnet._checks`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from sctabnet._errors import InputError, MissingKeyError


def check_result(existing: Collection[str], name: str, *, slot: str, call: str) -> None:
    """Raise unless ``name`` is in a slot of adata; says which call computes it."""
    if name not in existing:
        raise MissingKeyError(
            f"adata.{slot}[{name!r}] was not computed yet. "
            f"Found in {slot}: {[str(key) for key in existing][:10]}. Run {call} first."
        )


def check_categorical(column: Any, name: str) -> None:
    """Raise unless a column of ``obs`` holds groups that can be told apart by colour."""
    if getattr(column.dtype, "kind", "O") == "f":
        raise InputError(
            f"obs[{name!r}] must hold names of groups. Found numbers of type {column.dtype}. "
            "Name a categorical column."
        )


def check_several(names: Sequence[str], *, argument: str) -> None:
    """Raise unless there are two names or more to compare."""
    if isinstance(names, str) or len(names) < 2:
        raise InputError(
            f"{argument} must name two or more to compare. Found {names!r}. "
            f'Pass a list such as {argument}=["first", "second"].'
        )


def check_some(n: int, what: str, *, found: str, advice: str) -> None:
    """Raise if there is nothing to draw."""
    if n == 0:
        raise InputError(f"There are no {what}. Found {found}. {advice}")


def check_gene(gene: str, known: Collection[str]) -> None:
    """Raise unless a gene is one that both adata and the model know."""
    if gene not in known:
        close = difflib.get_close_matches(gene, known, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise MissingKeyError(
            f"{gene!r} is no gene that adata.var_names and the model share. Found {len(known):,} "
            f"shared genes, such as {list(known)[:5]}.{meant}"
        )
