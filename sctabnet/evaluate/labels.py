"""Scores of transferred labels against known ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import f1_score


def labels(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Return accuracy and macro-F1.

    Parameters
    ----------
    truth, predicted
        Label of every cell. Macro-F1 is the mean over the labels that occur in ``truth``.

    Returns
    -------
    ``{"accuracy": ..., "macro_f1": ...}``

    Raises
    ------
    ValueError
        If the lengths differ or there is no cell.

    Examples
    --------
    >>> labels(["B", "T", "T"], ["B", "T", "B"])
    {'accuracy': 0.6666666666666666, 'macro_f1': 0.6666666666666666}
    """
    if len(truth) != len(predicted) or len(truth) == 0:
        msg = (
            "truth and predicted must have the same number of cells, at least one. Found "
            f"{len(truth)} and {len(predicted)}."
        )
        raise ValueError(msg)
    known, given = np.asarray(truth, dtype=str), np.asarray(predicted, dtype=str)
    macro = f1_score(known, given, labels=np.unique(known), average="macro", zero_division=0)
    return {"accuracy": float((known == given).mean()), "macro_f1": float(macro)}
