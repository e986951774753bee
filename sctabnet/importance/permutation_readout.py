"""Permutation importance per group from a sample of the cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.corpus import Corpus
from sctabnet.importance.grouped_importance import GroupedImportance
from sctabnet.importance.permuted_contrasts import permuted_contrasts
from sctabnet.importance.sample_rows import sample_rows
from sctabnet.importance.strata_of import strata_of
from sctabnet.model.model import Model

N_CELLS = 512


def permutation_readout(
    model: Model,
    corpus: Corpus,
    groups: NDArray[np.int64],
    targets: NDArray[np.int64],
    n_groups: int,
    *,
    random_state: int = 0,
) -> GroupedImportance:
    """Return the sums of what permuting each gene takes from the cells' contrasts.

    Parameters
    ----------
    model
        With a label head.
    corpus
        Where the cells are read from.
    groups, targets
        int64 (n_cells,) group of each cell (-1 for none), and the label it is explained for.
    n_groups
        Groups of cells.
    random_state
        Seed of the sample, at most 512 cells with equal shares of the groups, and of the partners.
    """
    rows = sample_rows(groups, N_CELLS, random_state=random_state)
    cells = corpus.take(rows)
    sums = GroupedImportance(len(model.vocabulary), n_groups)
    sums.count(groups[rows])
    for lost, genes, of in permuted_contrasts(
        model, cells, targets[rows], strata_of(cells), random_state=random_state
    ):
        sums.add(lost, genes, of, groups[rows])
    return sums
