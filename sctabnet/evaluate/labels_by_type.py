"""Scores of transferred labels, cell type by cell type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support


def labels_by_type(truth: Sequence[str], predicted: Sequence[str]) -> pd.DataFrame:
    """Return precision, recall and F1 of every label that occurs in ``truth``.

    Parameters
    ----------
    truth, predicted
        Label of every cell.

    Returns
    -------
    Data frame by label with the columns ``n``, ``precision``, ``recall``, ``f1`` and
    ``taken_for``, the label that most of its wrong cells got (empty if there are none).
    """
    known, given = np.asarray(truth, dtype=str), np.asarray(predicted, dtype=str)
    names = np.unique(known)
    precision, recall, f1, n = precision_recall_fscore_support(
        known, given, labels=names, zero_division=0
    )
    taken_for = []
    for name in names:
        wrong = given[(known == name) & (given != name)]
        values, counts = np.unique(wrong, return_counts=True)
        taken_for.append(str(values[counts.argmax()]) if len(wrong) else "")
    columns = {"n": n, "precision": precision, "recall": recall, "f1": f1, "taken_for": taken_for}
    return pd.DataFrame(columns, index=pd.Index(names, name="label"))
