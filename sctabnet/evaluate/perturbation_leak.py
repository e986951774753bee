from __future__ import annotations

from collections.abc import Iterable

from sctabnet._errors import InputError
from sctabnet.data.conditions import Condition


def perturbation_leak(
    train: Iterable[tuple[Condition, str]], test: Iterable[tuple[Condition, str]]
) -> None:
    """Refuse a split whose test conditions were trained on, or that tests nothing.

    Parameters
    ----------
    train, test
        (condition, context) pairs. Conditions are canonical, so that ``"B+A"`` in one and ``"A+B"``
        in the other are found. The control may be in both.

    Raises
    ------
    ValueError
        If a test condition is also trained on in the same context, or there is none.
    """
    wanted = {(c, k) for c, k in test if not c.is_control}
    if not wanted:
        raise InputError(
            "There is nothing to be judged on. Found no perturbed condition in the test part. "
            "Choose conditions to hold out."
        )
    both = sorted(c.name for c, _ in wanted & set(train))
    if both:
        raise InputError(
            f"Conditions must not be in both parts of a split. Found {len(both)} of "
            f"{len(wanted)} test conditions in the training part: {both[:5]}. Remove them there."
        )
