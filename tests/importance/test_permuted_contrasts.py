"""Exact permutation importance against permuting a dense matrix and asking a linear model."""

from __future__ import annotations

import numpy as np

from sctabnet.importance.matrix_of import matrix_of
from sctabnet.importance.permuted_contrasts import permuted_contrasts
from sctabnet.train.partners import partners


def test_equals_permuting_one_column_of_a_dense_matrix(linear, some_cells):
    labels = some_cells.labels.numpy()
    strata = np.arange(len(some_cells)) % 2
    x, n_genes = matrix_of(some_cells).toarray(), len(linear.vocabulary)
    weight = linear.network.labels.wide.weight.detach().double().numpy()[:-1]
    slope = weight[:, labels].T
    slope = slope - (weight.sum(1)[None] - slope) / 2  # three labels: less the mean of two others
    pairs = partners(strata, random_state=0)
    assert (strata[pairs] == strata).all() and (np.sort(pairs) == np.arange(len(pairs))).all()
    assert (pairs != np.arange(len(pairs))).all()
    expected = slope * (x - x[pairs])
    found = np.zeros_like(expected)
    for lost, genes, cells in permuted_contrasts(linear, some_cells, labels, strata):
        found[cells, genes] += lost
    assert found.shape[1] == n_genes
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_cell_alone_in_its_stratum_keeps_its_values():
    np.testing.assert_array_equal(partners(np.array([0, 1, 1, 2]), random_state=0), [0, 2, 1, 3])
