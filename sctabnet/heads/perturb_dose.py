from __future__ import annotations

import numpy as np

from sctabnet.heads.perturb_table import PerturbTable


class PerturbDose:
    """Monotone dose response of every entity, with strength 0 at dose 0.

    The strength at a dose is the projection of its effect on the entity's leading effect, made
    monotone by pooling adjacent violators and scaled so that dose 1, or else the highest dose, has
    strength 1. In between it is linear in log(1 + dose); beyond the highest dose it stays. An
    entity measured at one dose has strength 1 there.

    Parameters
    ----------
    table
        Measured conditions; only those with one entity are used.
    """

    def __init__(self, table: PerturbTable) -> None:
        rows: dict[str, dict[float, list[int]]] = {}
        for row, condition in enumerate(table.conditions):
            if len(condition.parts) == 1:
                entity, dose = condition.parts[0]
                rows.setdefault(entity, {}).setdefault(dose, []).append(row)
        self.curves: dict[str, tuple[list[float], list[float]]] = {}
        for entity, by_dose in rows.items():
            doses = sorted(by_dose)
            effects = np.array([table.delta_pg[by_dose[d]].mean(axis=0) for d in doses])
            values = _strengths(doses, effects) if len(doses) > 1 else [1.0]
            self.curves[entity] = ([0.0, *doses], [0.0, *values])

    def strength(self, entity: str, dose: float) -> float:
        """Return the strength at a dose; an entity without a curve has strength 1 at any."""
        if dose == 0 or entity not in self.curves:
            return float(dose > 0)
        doses, values = self.curves[entity]
        return float(np.interp(np.log1p(dose), np.log1p(doses), values))


def _strengths(doses: list[float], effects: np.ndarray) -> list[float]:
    _, _, direction = np.linalg.svd(effects, full_matrices=False)
    raw = effects @ direction[0]
    values = _monotone(np.maximum(raw * (np.sign(raw.sum()) or 1.0), 0.0))
    unit = values[-1]
    if doses[0] <= 1.0 <= doses[-1]:
        unit = np.interp(np.log1p(1.0), np.log1p(doses), values) or unit
    return [float(v / unit) if unit > 0 else 1.0 for v in values]


def _monotone(values: np.ndarray) -> np.ndarray:
    """Pool adjacent violators: the non-decreasing sequence closest to ``values``."""
    pools: list[tuple[float, int]] = []
    for value in values.tolist():
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, m), (last, n) = pools[-2:]
            pools[-2:] = [((mean * m + last * n) / (m + n), m + n)]
    return np.concatenate([np.full(n, mean) for mean, n in pools])
