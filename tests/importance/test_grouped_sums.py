"""Sums over a stream of cells equal those of a dense matrix."""

from __future__ import annotations

import numpy as np
import pytest

from sctabnet.importance.grouped_expression import GroupedExpression
from sctabnet.importance.grouped_importance import GroupedImportance

N_CELLS, N_GENES, N_GROUPS = 30, 12, 3


@pytest.fixture
def listed(rng):
    value = rng.normal(size=(N_CELLS, N_GENES)) * (rng.random((N_CELLS, N_GENES)) < 0.4)
    rows, genes = np.nonzero(value)
    groups = rng.integers(-1, N_GROUPS, N_CELLS)
    return value, value[rows, genes].astype(np.float32), genes, rows, groups


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("with_absent", [False, True])
def test_importances_are_means_over_all_cells_of_a_group(listed, rng, dtype, with_absent):
    dense, value, genes, rows, groups = listed
    labels = rng.integers(2, size=N_CELLS)
    absent = rng.normal(size=(2, N_GENES)) if with_absent else None
    if absent is not None:  # what a cell does not list, its absence says
        dense = np.where(dense != 0, dense, absent[labels])
    sums = GroupedImportance(N_GENES, N_GROUPS, absent)
    for part in np.array_split(np.arange(N_CELLS), 3):
        mine = np.isin(rows, part)
        sums.count(groups[part], labels[part])
        sums.add(
            value[mine],
            genes[mine].astype(dtype),
            rows[mine] - part[0],
            groups[part],
            labels[part],
        )
    for group in range(N_GROUPS):
        cells = dense[groups == group]
        np.testing.assert_allclose(sums.per_group()[:, group], cells.mean(0), atol=1e-6)
        if not with_absent:
            expected = cells.std(0) / np.sqrt(len(cells) - 1)
            np.testing.assert_allclose(sums.standard_error()[:, group], expected, atol=1e-6)


def test_a_standard_error_is_that_of_what_differs_between_cells(rng):
    absent = np.array([[0.5, -1.0]])
    sums = GroupedImportance(2, 1, absent)
    groups, labels = np.zeros(4, np.int64), np.zeros(4, np.int64)
    sums.count(groups, labels)
    value = np.array([2.0, 1.0, 3.0], np.float32)
    sums.add(value, np.array([0, 0, 1]), np.array([0, 2, 3]), groups, labels)
    dense = np.array([[2, -1], [0.5, -1], [1, -1], [0.5, 3]])
    np.testing.assert_allclose(sums.per_group()[:, 0], dense.mean(0))
    np.testing.assert_allclose(sums.standard_error()[:, 0], dense.std(0, ddof=1) / 2)


def test_fold_changes_are_those_of_the_dense_matrix(listed):
    dense, value, genes, rows, groups = listed
    dense, value = np.abs(dense), np.abs(value)
    sums = GroupedExpression(N_GENES, N_GROUPS)
    for part in np.array_split(np.arange(N_CELLS), 2):
        mine = np.isin(rows, part)
        sums.add(value[mine], genes[mine], rows[mine] - part[0], groups[part])
    for group in range(N_GROUPS):
        inside, outside = dense[groups == group].mean(0), dense[groups != group].mean(0)
        expected = np.log2((np.expm1(inside) + 1e-9) / (np.expm1(outside) + 1e-9))
        np.testing.assert_allclose(sums.log2_fold_change()[:, group], expected, atol=1e-4)
