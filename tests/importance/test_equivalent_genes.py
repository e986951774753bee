from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sctabnet.importance.equivalent_genes import equivalent_genes


def test_the_most_important_leads_its_group(rng):
    program = rng.normal(size=(200, 1))
    x = np.hstack([program + 0.3 * rng.normal(size=(200, 3)), rng.normal(size=(200, 4))])
    importance = np.array([0.1, 0.5, 0.2, 0.9, np.nan, 0.0, 0.3])
    found = equivalent_genes(sp.csr_array(x), importance)
    np.testing.assert_array_equal(found, [1, 1, 1, 3, 4, 5, 6])


def test_a_silent_gene_is_its_own_group(rng):
    x = rng.random((30, 4))
    x[:, 2] = 0
    np.testing.assert_array_equal(equivalent_genes(sp.csr_array(x), np.ones(4)), np.arange(4))
