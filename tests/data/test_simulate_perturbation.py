from __future__ import annotations

import numpy as np
import pytest

from sctabnet.datasets import simulate_perturbation


def test_same_seed_same_cells_and_truth_is_what_cells_average_to():
    size = {"n_genes": 60, "n_targets": 5, "n_pairs": 3, "cells_per_condition": 300}
    a, b = simulate_perturbation(**size), simulate_perturbation(**size)
    assert (a.X != b.X).nnz == 0
    x = a.X.toarray()
    x = np.log1p(1e4 * x / x.sum(1, keepdims=True))
    for name, truth in zip(a.uns["truth_names"], a.uns["truth"], strict=True):
        perturbation, dose, cell_type = name.split("|")
        cells = (a.obs["perturbation"] == perturbation) & (a.obs["dose"] == float(dose))
        cells &= a.obs["cell_type"] == cell_type
        z = (x[cells].mean(0) - truth) / (x[cells].std(0) / np.sqrt(cells.sum()) + 0.02)
        assert np.abs(z).mean() < 1.5


def test_contexts_and_doses():
    adata = simulate_perturbation(
        40, n_targets=3, n_pairs=1, n_contexts=2, doses=(1.0, 10.0), cells_per_condition=4
    )
    assert len(adata.uns["truth_names"]) == (1 + 3 * 2 + 1) * 2
    assert adata.obs["cell_type"].nunique() == 2
    with pytest.raises(ValueError, match="n_targets must be positive"):
        simulate_perturbation(n_targets=0)
