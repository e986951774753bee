from __future__ import annotations

import numpy as np
import pandas as pd


def holds_groups(obs: pd.DataFrame, column: str, groups: pd.Categorical) -> bool:
    """Tell whether a column is these groups, without a category that no cell has.

    Parameters
    ----------
    obs
        Table of cells.
    column
        Name that may be missing there.
    groups
        Group of each cell; every category has a cell.
    """
    if column not in obs:
        return False
    there = pd.Categorical(obs[column])
    names = there.categories.astype(str)
    return list(names) == list(groups.categories) and np.array_equal(there.codes, groups.codes)
