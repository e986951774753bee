"""Columns with the experimental batch and what else sets cells apart for no biological reason."""

from __future__ import annotations

from collections.abc import Sequence

from sctabnet import _checks
from sctabnet._errors import InputError


def batch_keys(batch_key: str | Sequence[str] | None, labels_key: str | None = None) -> list[str]:
    """Return the columns as a list, which is empty for None.

    Raises
    ------
    ValueError
        If a name is no text, comes twice, or is that of the labels.
    """
    keys = [] if batch_key is None else _checks.checked_names(batch_key, argument="batch_key")
    if len(set(keys)) < len(keys):
        raise InputError(f"batch_key names a column twice. Found {keys}. Name each column once.")
    if labels_key is not None and labels_key in keys:
        raise InputError(
            f"batch_key and labels_key must be different columns. Found {labels_key!r} in both: "
            "the model would be told what it is to find. Leave it out of batch_key."
        )
    return keys
