from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sctabnet.heads.perturb_table import PerturbTable


@dataclass(frozen=True, slots=True)
class PerturbationFold:
    """Rows of a table that are left out together, and those of them that are scored."""

    task: str
    held: NDArray[np.int64]
    scored: NDArray[np.int64]


def perturbation_folds(
    table: PerturbTable, *, max_folds: int = 60, seed: int = 0
) -> list[PerturbationFold]:
    """Return inner folds that ask what users ask: a new combination, entity or context.

    Parameters
    ----------
    table
        Measured conditions.
    max_folds
        Folds of each task, drawn at random where there are more.
    seed
        Seed of the draw.

    Returns
    -------
    Folds of the tasks ``"combination"`` (one combination left out, in every context), ``"single"``
    (everything with one entity left out, its singles scored) and ``"context"`` (all conditions of
    one context left out). A fold that leaves nothing to learn from is not made.
    """
    rng = np.random.default_rng(seed)
    conditions = table.conditions
    rows = np.arange(len(table))
    found: dict[str, list[PerturbationFold]] = {"combination": [], "single": [], "context": []}
    for condition in sorted({c for c in conditions if len(c.parts) > 1}):
        held = rows[[c.entities == condition.entities for c in conditions]]
        scored = rows[[c == condition for c in conditions]]
        found["combination"].append(PerturbationFold("combination", held, scored))
    for entity in table.entities:
        held = rows[[entity in c.entities for c in conditions]]
        scored = rows[[c.entities == (entity,) for c in conditions]]
        if len(scored):
            found["single"].append(PerturbationFold("single", held, scored))
    measured = np.unique(table.contexts)
    for context in measured if len(measured) > 1 else []:
        held = rows[table.contexts == context]
        elsewhere = {c for c, k in zip(conditions, table.contexts, strict=True) if k != context}
        scored = held[[conditions[i] in elsewhere for i in held]]
        if len(scored):
            found["context"].append(PerturbationFold("context", held, scored))
    kept = []
    for folds in found.values():
        folds = [fold for fold in folds if len(fold.held) < len(table)]
        picked = rng.permutation(len(folds))[:max_folds]
        kept += [folds[i] for i in np.sort(picked)]
    return kept
