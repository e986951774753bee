from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet.heads.perturb_table import PerturbTable

SPLITS = (
    "leave_one_combination_out",
    "half_of_combinations",
    "leave_one_entity_out",
    "leave_one_context_out",
)


@dataclass(frozen=True, slots=True)
class PerturbationSplit:
    """Rows of a table to learn from and rows to be judged on; neither set is empty."""

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def perturbation_splits(
    table: PerturbTable,
    split: str | Collection[str],
    *,
    n_repeats: int = 5,
    seed: int = 0,
) -> list[PerturbationSplit]:
    """Return splits that hold whole conditions, entities or contexts out.

    Parameters
    ----------
    table
        Measured conditions.
    split
        ``"leave_one_combination_out"``; ``"half_of_combinations"``, at random, ``n_repeats``
        times; ``"leave_one_entity_out"``, with every condition that the entity is part of;
        ``"leave_one_context_out"``; or the names of the conditions to hold out.
    n_repeats, seed
        Of the random split.

    Raises
    ------
    ValueError
        If the split is not known or leaves nothing to learn from or to be judged on.
    """
    conditions, rows = table.conditions, np.arange(len(table))
    several = sorted({c for c in conditions if len(c.parts) > 1})
    held: dict[str, NDArray[np.int64]] = {}
    if not isinstance(split, str):
        wanted = set(_checks.checked_names(split, argument="split"))
        missing = wanted - {c.name for c in conditions}
        if missing:
            raise InputError(
                f"Conditions to hold out must have been measured. Not found: {sorted(missing)[:5]}."
                f" Measured are {sorted(c.name for c in conditions)[:5]} and so on."
            )
        held["given"] = rows[[c.name in wanted for c in conditions]]
    elif split == "leave_one_combination_out":
        held = {c.name: rows[[d.entities == c.entities for d in conditions]] for c in several}
    elif split == "half_of_combinations":
        rng = np.random.default_rng(seed)
        for repeat in range(n_repeats):
            picked = {several[i] for i in rng.permutation(len(several))[: len(several) // 2]}
            held[f"half {repeat}"] = rows[[c in picked for c in conditions]]
    elif split == "leave_one_entity_out":
        singles = {c.entities[0] for c in conditions if len(c.parts) == 1}
        held = {e: rows[[e in c.entities for c in conditions]] for e in sorted(singles)}
    elif split == "leave_one_context_out":
        held = {
            table.context_names[c]: rows[table.contexts == c] for c in np.unique(table.contexts)
        }
    else:
        raise InputError(f"split must be one of {SPLITS} or names. Found {split!r}. Choose one.")
    made = [PerturbationSplit(name, np.setdiff1d(rows, test), test) for name, test in held.items()]
    made = [one for one in made if len(one.train) and len(one.test)]
    if not made:
        raise InputError(
            f"The split {split!r} leaves nothing to learn from or to be judged on. Found "
            f"{len(several)} combinations, {len(table.entities)} entities and "
            f"{len(table.context_names)} contexts. Choose another of {SPLITS}."
        )
    return made
