from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.conditions import Condition
from sctabnet.evaluate.perturbation_splits import PerturbationSplit
from sctabnet.heads.perturb_table import PerturbTable

Array = NDArray[np.float64]
Predict = Callable[[PerturbTable, PerturbationSplit], Mapping[str, Array]]


def perturbation_interactions(
    table: PerturbTable,
    halves: Sequence[PerturbTable],
    split: PerturbationSplit,
    predict: Predict,
) -> dict[str, Array]:
    """Correlate predicted with measured genetic interactions, the deviations from additivity.

    Whatever the singles' noise does to an interaction that is predicted from them, it also does to
    the measured one if that is taken from the same cells. So predictions are made from one half of
    all cells, controls and singles included, and judged by the other half.

    Parameters
    ----------
    table
        Measured conditions that the split speaks of.
    halves
        The same from one half of the cells of each condition, and from the other.
    split
        Rows to learn from and to be judged on.
    predict
        Gives each method's effects for a table and a split of it.

    Returns
    -------
    By method, float64 (tested rows,): Pearson correlation over genes of delta_AB - delta_A -
    delta_B. NaN unless all singles were measured, or where additivity itself is predicted. Empty
    where no tested row has an interaction.
    """
    places = [
        {(c, int(k)): i for i, (c, k) in enumerate(zip(t.conditions, t.contexts, strict=True))}
        for t in halves
    ]

    def key(row: int) -> tuple[Condition, int]:
        return table.conditions[row], int(table.contexts[row])

    def singles(row: int) -> list[tuple[Condition, int]]:
        condition, context = key(row)
        return [(Condition((part,)), context) for part in condition.parts]

    wanted = [
        q
        for q, row in enumerate(split.test)
        if len(singles(row)) > 1 and all(s in p for s in [key(row), *singles(row)] for p in places)
    ]
    train = [places[0][key(row)] for row in split.train if key(row) in places[0]]
    if not wanted or not train:
        return {}
    test = [places[0][key(split.test[q])] for q in wanted]
    predicted = predict(halves[0], PerturbationSplit(split.name, np.array(train), np.array(test)))
    out = {}
    for method, delta_qg in predicted.items():
        r = np.full(len(split.test), np.nan)
        for q, delta in zip(wanted, delta_qg, strict=True):
            row = split.test[q]
            sums = [
                t.delta_pg[[place[s] for s in singles(row)]].sum(axis=0)
                for t, place in zip(halves, places, strict=True)
            ]
            guess = delta - sums[0]
            truth = halves[1].delta_pg[places[1][key(row)]] - sums[1]
            if guess.std() > 1e-9 and truth.std() > 1e-9:
                r[q] = np.corrcoef(guess, truth)[0, 1]
        out[method] = r
    return out
