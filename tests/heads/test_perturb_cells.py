from __future__ import annotations

import numpy as np

from sctabnet.heads.perturb_cells import perturb_cells

GENES = np.arange(12)


def controls(rng, n=4000, g=12):
    x = np.log1p(rng.poisson(rng.uniform(0.2, 4, g), (n, g)) * 2.0).astype(np.float32)
    return x, [f"cell{i}" for i in range(n)]


def test_cells_have_the_predicted_mean_and_stay_non_negative(rng):
    x, names = controls(rng)
    mean, detected = x.mean(0, dtype=float), (x > 0).mean(0)
    delta = np.where(np.arange(12) % 2, 0.4, -0.6) * mean
    moved = perturb_cells(x, names, GENES, mean, detected, delta)
    assert moved.min() >= 0 and moved.dtype == np.float32
    np.testing.assert_allclose(moved.mean(0), mean + delta, rtol=0.1)
    weak = mean < 1  # not every cell begins to express an induced gene
    assert ((moved > 0).mean(0)[weak] < 0.9).all()


def test_no_effect_changes_no_bit(rng):
    x, names = controls(rng, 50)
    delta = np.zeros(12)
    delta[3] = 0.5
    moved = perturb_cells(x, names, GENES, x.mean(0), (x > 0).mean(0), delta)
    rest = np.arange(12) != 3
    np.testing.assert_array_equal(moved[:, rest], x[:, rest])


def test_a_cell_does_not_depend_on_the_others(rng):
    x, names = controls(rng, 60)
    mean, detected, delta = x.mean(0), (x > 0).mean(0), np.full(12, 0.3)
    whole = perturb_cells(x, names, GENES, mean, detected, delta)
    order = rng.permutation(60)[:20]
    part = perturb_cells(x[order], [names[i] for i in order], GENES, mean, detected, delta)
    np.testing.assert_array_equal(part, whole[order])
