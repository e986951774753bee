"""Hold cells out: whole groups where there are enough, else a stratified share."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray


def split_cells(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    *,
    n_folds: int,
    random_state: int = 0,
) -> list[NDArray[np.int64]]:
    """Deal cells to folds that keep the label shares and, where possible, whole groups.

    Groups (donors, batches) are kept whole when there are at least two of them: cells of one
    donor in both halves would make any score too good. Labels with fewer cells than folds stay
    out of every fold, so they are always trained on and never scored.

    Parameters
    ----------
    labels
        int64 (n,) label codes.
    groups
        int64 (n,) group codes, or None.
    n_folds
        Folds wanted; fewer come back where the groups do not allow it.
    random_state
        Seed of the deal.

    Returns
    -------
    One sorted array of positions per fold, disjoint.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    counts = np.bincount(labels)
    eligible = np.flatnonzero(counts[labels] >= 2)
    if not len(eligible):
        return []
    n_groups = 0 if groups is None else len(np.unique(groups[eligible]))
    position = np.zeros((len(eligible), 1))
    if groups is not None and n_groups >= 2:
        n_folds = min(n_folds, n_groups, int(counts.max()))
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random_state)
        folds = splitter.split(position, labels[eligible], groups[eligible])
    else:
        enough = np.flatnonzero(counts[labels] >= n_folds)
        eligible = enough if len(enough) else eligible
        position = position[: len(eligible)]
        smallest = int(counts[labels[eligible]].min())
        splitter = StratifiedKFold(min(n_folds, smallest), shuffle=True, random_state=random_state)
        folds = splitter.split(position, labels[eligible])
    with warnings.catch_warnings():  # that a label has fewer cells than there are folds
        warnings.simplefilter("ignore", UserWarning)
        return [eligible[test] for _, test in folds if len(test)]
