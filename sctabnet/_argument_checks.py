"""Messages about values of arguments; see :mod:`sctabnet._checks`."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real

from sctabnet._errors import InputError


def check_kind(value: object, kind: type, *, argument: str, advice: str) -> None:
    """Raise if an argument is an object of another class than the one that is asked for."""
    if not isinstance(value, kind):
        raise InputError(
            f"{argument} must be of class {kind.__name__}. Found {type(value).__name__}. {advice}"
        )


def check_share(value: object, *, argument: str, example: float) -> None:
    """Raise unless ``value`` is a number between 0 and 1, both excluded."""
    if not (isinstance(value, Real) and 0 < float(value) < 1):
        raise InputError(f"{argument} must lie between 0 and 1. Found {value!r}. Try {example}.")


def checked_names(value: object, *, argument: str, least: int = 0) -> list[str]:
    """Return one name, or several, as a list; raise if there are too few or some are no text."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Iterable):
        names = [names]
    names = list(names)
    if len(names) < least or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{argument} must be text, or a list of text{' that is not empty' if least else ''}. "
            f"Found {value!r}."
        )
    return names


def check_labels_can_be_joined(labels: Iterable[str]) -> None:
    """Raise if a label holds the mark that stands between the labels of a set."""
    marked = [label for label in labels if "|" in label]
    if marked:
        raise InputError(
            f"Labels with '|' cannot be told apart in label sets. Found {marked[:3]}. Rename them "
            "in the reference, or leave coverage out."
        )
