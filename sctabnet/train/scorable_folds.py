"""Hold out only cells that the other cells can teach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet.train.split_cells import split_cells


def scorable_folds(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    *,
    n_folds: int,
    random_state: int = 0,
) -> list[NDArray[np.int64]]:
    """Deal cells to folds as ``split_cells`` does, but none whose label only its own fold has.

    A batch may hold a type that no other batch has. While it is held out, its cells can only be
    named wrongly, with a loss that drowns all others: they stay in training and are not scored.
    Where that holds for most cells, as with atlases that name the same types differently, whole
    batches can tell nothing, and cells are dealt one by one.

    Parameters
    ----------
    labels, groups, n_folds, random_state
        As of :func:`~sctabnet.train.split_cells.split_cells`.

    Returns
    -------
    One sorted array of positions per fold, disjoint.
    """
    folds = split_cells(labels, groups, n_folds=n_folds, random_state=random_state)
    taught = [fold[np.isin(labels[fold], np.delete(labels, fold))] for fold in folds]
    if 2 * sum(map(len, taught)) < sum(map(len, folds)):
        return split_cells(labels, None, n_folds=n_folds, random_state=random_state)
    return [fold for fold in taught if len(fold)]
