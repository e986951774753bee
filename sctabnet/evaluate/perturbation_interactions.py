from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.conditions import Condition
from sctabnet.heads.perturb_table import PerturbTable

Array = NDArray[np.float64]


def perturbation_interactions(
    table: PerturbTable,
    halves: Sequence[PerturbTable],
    test: NDArray[np.int64],
    delta_qg: Array,
) -> Array:
    """Correlate predicted with measured genetic interactions, the deviations from additivity.

    Parameters
    ----------
    table
        Measured conditions that ``test`` are rows of.
    halves
        The same from one half of the cells of each condition and from the other: the singles are
        subtracted once from each, or else their noise would correlate with itself.
    test, delta_qg
        Rows and their predicted effects.

    Returns
    -------
    float64 (q,), Pearson correlation over genes of delta_AB - delta_A - delta_B; NaN unless all
    singles were measured, or where additivity itself is predicted.
    """
    places = [
        {(c, int(k)): i for i, (c, k) in enumerate(zip(t.conditions, t.contexts, strict=True))}
        for t in halves
    ]
    out = np.full(len(test), np.nan)
    for q, row in enumerate(test):
        condition, context = table.conditions[row], int(table.contexts[row])
        singles = [(Condition((part,)), context) for part in condition.parts]
        wanted = [(condition, context), *singles]
        if len(singles) < 2 or not all(key in place for key in wanted for place in places):
            continue
        sums = [
            t.delta_pg[[place[key] for key in singles]].sum(axis=0)
            for t, place in zip(halves, places, strict=True)
        ]
        predicted = delta_qg[q] - sums[0]
        measured = halves[1].delta_pg[places[1][condition, context]] - sums[1]
        if predicted.std() > 1e-9 and measured.std() > 1e-9:
            out[q] = np.corrcoef(predicted, measured)[0, 1]
    return out
