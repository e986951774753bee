"""Errors that speak of what the user gave; the command line makes one line of each."""

from __future__ import annotations


class InputError(ValueError):
    """What the user gave cannot be used; the message says what was found and what to do."""


class ValueKindError(InputError):
    """A matrix holds neither counts nor log1p values."""


class MissingKeyError(InputError, KeyError):
    """A layer, column or name that the user asked for does not exist."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which would put the sentence in quotes
        return str(self.args[0]) if self.args else ""


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder that the user named does not exist."""
