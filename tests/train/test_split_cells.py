from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.train.split_cells import split_cells


@settings(max_examples=40)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    n_groups=st.integers(0, 5),
    n_folds=st.integers(2, 10),
    seed=st.integers(0, 100),
)
def test_folds_are_disjoint_and_keep_groups_whole(labels, n_groups, n_folds, seed):
    labels = np.array(labels)
    rng = np.random.default_rng(seed)
    groups = rng.integers(n_groups, size=len(labels)) if n_groups else None
    folds = split_cells(labels, groups, n_folds=n_folds, random_state=seed)
    together = np.concatenate(folds) if folds else np.zeros(0, int)
    assert len(np.unique(together)) == len(together)
    assert len(folds) <= n_folds and all(len(fold) for fold in folds)
    assert all((np.diff(fold) > 0).all() for fold in folds)
    counts = np.bincount(labels)
    assert (counts[labels[together]] >= 2).all()  # a lone cell is always trained on
    if (counts >= 2).any():
        assert len(folds) >= 2
    if groups is not None and len(np.unique(groups[counts[labels] >= 2])) >= 2:
        for fold in folds:
            inside = np.unique(groups[fold])
            rest = np.setdiff1d(together, fold)
            assert not np.isin(groups[rest], inside).any()
    again = split_cells(labels, groups, n_folds=n_folds, random_state=seed)
    assert all(np.array_equal(a, b) for a, b in zip(folds, again, strict=True))


def test_folds_have_the_shares_of_the_labels():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    folds = split_cells(labels, None, n_folds=5)
    assert len(folds) == 5
    for fold in folds:
        assert np.array_equal(np.bincount(labels[fold], minlength=3), [12, 6, 2])


def test_one_group_is_no_group():
    labels = np.repeat([0, 1], 10)
    plain = split_cells(labels, None, n_folds=5)
    grouped = split_cells(labels, np.zeros(20, int), n_folds=5)
    assert all(np.array_equal(a, b) for a, b in zip(plain, grouped, strict=True))


def test_without_two_cells_of_a_label_there_is_no_fold():
    assert split_cells(np.arange(5), None, n_folds=3) == []
    assert split_cells(np.arange(5), np.arange(5), n_folds=3) == []
