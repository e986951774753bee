"""The error for a loss that is no number."""

from __future__ import annotations

from collections.abc import Sequence

from sctabnet._errors import InputError

_NAMED = 5


def not_finite(cells: Sequence[str], *, step: int, values: bool) -> InputError:
    """Return the error for a loss or gradient that became infinite or NaN.

    Parameters
    ----------
    cells
        The cells concerned, as file and row.
    step
        Optimiser steps before this one.
    values
        These cells hold values that are no finite numbers; else all cells of the minibatch are
        given, because it is the weights that have diverged.
    """
    more = f" and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    named = ", ".join(cells[:_NAMED]) + more
    found = (
        f"values that are no finite numbers in {named}"
        if values
        else f"weights that diverged, in the minibatch of {named}"
    )
    return InputError(
        f"Training stopped at step {step}: the loss is no finite number. Found {found}. The last "
        "checkpoint and the best weights before it are unharmed. "
        + ("Remove these cells." if values else "Lower learning_rate or gradient_clip.")
    )
