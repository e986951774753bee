"""Perturbation conditions, whatever convention they were written in, as one canonical multiset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sctabnet._errors import InputError

_NOTHING = frozenset({"ctrl", "control", "nan", "none", ""})
_OTHER_SEPARATORS = (",", ";", "&", "|", "_", "/")


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """What was done to a cell: entities with doses, ascending by name, each entity once.

    Parameters
    ----------
    parts
        (entity, dose) pairs; none at all is the control. The same entity twice adds its doses.

    Examples
    --------
    >>> Condition.of([("MAP2K6", 1.0), ("KLF1", 1.0)]).name
    'KLF1+MAP2K6'
    >>> Condition.of([("aspirin", 0.5)]).name, Condition(()).name
    ('aspirin@0.5', 'control')
    """

    parts: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, parts: Sequence[tuple[str, float]]) -> Condition:
        """Return the canonical form: sorted, repeated entities added up, dose 0 left out."""
        doses: dict[str, float] = {}
        for entity, dose in parts:
            doses[entity] = doses.get(entity, 0.0) + float(dose)
        # six digits, as many as a name shows: 0.1 + 0.2 and 0.3 are one dose
        return cls(tuple(sorted((e, float(f"{d:.6g}")) for e, d in doses.items() if d > 0)))

    @property
    def is_control(self) -> bool:
        """Whether nothing was done."""
        return not self.parts

    @property
    def entities(self) -> tuple[str, ...]:
        """Names without doses."""
        return tuple(entity for entity, _ in self.parts)

    @property
    def name(self) -> str:
        """Entities joined by ``+``, with ``@dose`` where the dose is not 1."""
        if not self.parts:
            return "control"
        return "+".join(e if d == 1 else f"{e}@{d:g}" for e, d in self.parts)


def parse_conditions(
    names: Sequence[object] | Sequence[Sequence[object]],
    *,
    control: str | None = "control",
    doses: Sequence[object] | None = None,
    known: Sequence[str] = (),
) -> list[Condition]:
    """Read conditions written in any of the usual ways.

    Understood are ``"A+B"`` in any order, ``"ctrl"``, ``"A+ctrl"`` and ``"ctrl+A"`` (GEARS), doses
    as numbers or as strings ``"1.0+0.5"`` in the order of the entities (CPA), doses inside the name
    (``"A@0.5"``), and one column per slot (CellFlow), given as a list of values per cell.

    Parameters
    ----------
    names
        (n,) names, or (n,) lists of slot values.
    control
        Name of the control, beside ``"ctrl"`` and ``"control"`` which always mean it.
    doses
        (n,) doses, or None where every dose is 1.
    known
        Entities known beside those that ``names`` name: ``"A,B"`` is refused if both are.

    Returns
    -------
    One :class:`Condition` per name.

    Raises
    ------
    ValueError
        If separators are mixed, there is not one dose per name, or a dose is no number, is
        negative, or does not belong to an entity.

    Examples
    --------
    >>> [c.name for c in parse_conditions(["B+A", "A+ctrl", "ctrl"])]
    ['A+B', 'A', 'control']
    >>> [c.name for c in parse_conditions([["A", "B"]], doses=["1.0+0.5"])]
    ['A+B@0.5']
    """
    nothing = _NOTHING | ({control.lower()} if control else set())
    given = [
        tuple(str(part) for part in name) if isinstance(name, list | tuple) else str(name)
        for name in names
    ]
    if doses is not None and len(doses) != len(given):
        raise InputError(
            f"There must be one dose per condition. Found {len(doses)} doses for {len(given)} "
            "conditions. Combinations take a dose such as '1.0+0.5'."
        )
    texts = [None if doses is None else str(dose) for dose in doses or [None] * len(given)]
    done: dict[tuple[object, str | None], Condition] = {}
    for name, dose in zip(given, texts, strict=True):
        if (name, dose) not in done:
            done[name, dose] = _one(name, dose, nothing, control)
    _check_separators([name for name in given if isinstance(name, str)], control, known)
    return [done[name, dose] for name, dose in zip(given, texts, strict=True)]


def _one(
    name: str | tuple[str, ...], dose: str | None, nothing: frozenset[str], control: str | None
) -> Condition:
    if isinstance(name, str) and name == control:
        return Condition(())
    slots = [part.strip() for part in (name.split("+") if isinstance(name, str) else name)]
    if isinstance(name, str) and len(slots) > 1 and not all(slots):
        raise InputError(
            f"The condition {name!r} has an empty part. Found {slots}. Write 'A+B' or 'A+ctrl'."
        )
    amounts = [None] * len(slots) if dose is None else dose.split("+")
    if len(amounts) == 1:
        amounts *= len(slots)
    if len(amounts) != len(slots):
        raise InputError(
            f"The dose {dose!r} must have one number per part of {name!r}. Found {len(amounts)} "
            f"for {len(slots)} parts. Write doses such as '1.0+0.5', in the order of the parts."
        )
    parts = []
    for slot, amount in zip(slots, amounts, strict=True):
        if slot.lower() in nothing:
            continue
        entity, at, inner = slot.partition("@")
        if at and amount is None and _number(inner) is not None:
            slot, amount = entity, inner
        value = 1.0 if amount is None else _number(amount)
        if value is None or value < 0:
            raise InputError(
                f"The dose of {slot!r} must be a number of at least 0. Found {amount!r}. "
                "Give doses as numbers, or as '1.0+0.5' for combinations."
            )
        parts.append((slot, value))
    return Condition.of(parts)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_separators(names: Sequence[str], control: str | None, others: Sequence[str]) -> None:
    """Refuse names that another separator would split into entities known from other names."""
    unique = sorted(set(names))
    known = {part for name in unique for part in name.split("+")} | {"ctrl", *others}
    for separator in _OTHER_SEPARATORS:
        for name in unique:
            parts = [part.strip() for part in name.split(separator)]
            if name != control and len(parts) > 1 and set(parts) <= known - {name}:
                raise InputError(
                    f"Conditions must join their parts by '+'. Found {name!r}, whose parts "
                    f"{parts} are conditions themselves. Replace {separator!r} by '+'."
                )
