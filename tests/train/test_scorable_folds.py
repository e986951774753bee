from __future__ import annotations

import numpy as np

import sctabnet as sct
from sctabnet.train.scorable_folds import scorable_folds
from sctabnet.train.split_cells import split_cells


def test_a_type_of_one_batch_is_trained_on_and_never_scored():
    labels = np.tile([0, 1, 1, 2], 20)
    groups = np.repeat([0, 1, 2, 3], 20)
    labels[:5] = 3  # in the first batch alone
    folds = scorable_folds(labels, groups, n_folds=4)
    assert len(folds) == 4
    for fold in folds:
        assert len(np.unique(groups[fold])) == 1
        assert set(labels[fold]) <= set(np.delete(labels, fold))
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(5, 80))


def test_batches_that_share_no_type_are_not_held_out_whole():
    labels = np.repeat([0, 1, 2, 3], 10)
    groups = np.repeat([0, 1], 20)
    folds = scorable_folds(labels, groups, n_folds=2)
    assert all(np.array_equal(np.bincount(labels[fold]), [5] * 4) for fold in folds)


def test_nothing_changes_where_every_batch_has_every_type():
    labels, groups = np.tile([0, 1, 2], 20), np.repeat([0, 1, 2], 20)
    expected = split_cells(labels, groups, n_folds=3)
    for fold, same in zip(scorable_folds(labels, groups, n_folds=3), expected, strict=True):
        assert np.array_equal(fold, same)


def test_two_atlases_that_name_types_differently_still_give_confidences(cells):
    both = cells.copy()
    names = both.obs["cell_type"].astype(str)
    both.obs["name"] = names.where(both.obs["batch"] == both.obs["batch"].iloc[0], names + " 2")
    model = sct.finetune(both, labels_key="name", batch_key="batch", deep=False)
    run = model.history[-1]
    assert 0.14 < run["temperature"] < 7.3  # the ends of the search mean that nothing was found
    sct.tl.transfer_labels(both, model)
    assert both.obs["sctabnet_confidence"].mean() > 0.6
