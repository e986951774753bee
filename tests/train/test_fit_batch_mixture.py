from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from sctabnet.nn.batch_mixture import BatchMixture
from sctabnet.train.fit_batch_mixture import _regress, fit_batch_mixture
from sctabnet.train.variable_genes import variable_genes


@pytest.fixture(scope="module")
def scene():
    """Three types; the second batch is moved, each type its own way, and lacks most of type 2."""
    rng = np.random.default_rng(0)
    types, batch = rng.integers(0, 3, 900), rng.integers(1, 3, 900)
    keep = ~((types == 2) & (batch == 2) & (rng.random(900) < 0.8))
    types, batch = types[keep], batch[keep]
    z = 6 * np.eye(5)[types] + 0.5 * rng.normal(size=(len(types), 5))
    z = z - z.mean(0)
    shift = np.array([[1, 0, 0, 2, 0], [0, 0, 0, 2, 1], [0, 1, 0, 1, 0.0]])
    z[batch == 2] += shift[types[batch == 2]]
    return z, types, batch


def corrected(z, batch, mixture):
    return mixture(torch.from_numpy(z).float(), torch.from_numpy(batch)).double().numpy()


def gaps(z, types, batch):
    """Distance between the batches' means within each type."""
    means = [[z[(types == t) & (batch == b)].mean(0) for b in (1, 2)] for t in range(3)]
    return np.array([np.linalg.norm(one - two) for one, two in means])


def test_batches_meet_within_their_types_and_types_stay_apart(scene):
    z, types, batch = scene
    found = corrected(z, batch, fit_batch_mixture(z, batch, 2, random_state=0))
    assert (gaps(found, types, batch) < 0.25 * gaps(z, types, batch)).all()
    centres = np.stack([found[types == t].mean(0) for t in range(3)])
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2)[np.triu_indices(3, 1)]
    assert distances.min() > 6


def test_a_cell_is_corrected_alone_as_in_company(scene):
    z, _, batch = scene
    mixture = fit_batch_mixture(z, batch, 2, random_state=0)
    whole, one = corrected(z, batch, mixture), corrected(z[5:6], batch[5:6], mixture)
    np.testing.assert_allclose(whole[5:6], one, atol=1e-5)


def test_an_unknown_batch_and_one_without_cells_are_left_as_they_are(scene):
    z, _, batch = scene
    mixture = fit_batch_mixture(z, batch, 3, random_state=0)
    for code in (0, 3):
        found = corrected(z, np.full(len(z), code), mixture)
        np.testing.assert_array_equal(found, z.astype(np.float32))


def test_same_seed_same_bits(scene):
    z, _, batch = scene
    one, two = (fit_batch_mixture(z, batch, 2, random_state=1) for _ in range(2))
    assert all(torch.equal(one.state_dict()[k], two.state_dict()[k]) for k in one.state_dict())


def test_the_regression_is_ridge_regression(rng):
    z, r = rng.normal(size=(40, 3)), rng.random((40, 2))
    batch = np.eye(4)[rng.integers(1, 4, 40)]
    means, shifts = _regress(z, r, batch)
    design = np.column_stack([np.ones(40), batch[:, 1:]])
    for k in range(2):
        weighted = design * r[:, [k]]
        expected = np.linalg.solve(
            design.T @ weighted + np.diag([0, 0.1, 0.1, 0.1]), weighted.T @ z
        )
        np.testing.assert_allclose(means[k], expected[0], atol=1e-8)
        np.testing.assert_allclose(shifts[1:, k], expected[1:], atol=1e-8)
    assert not shifts[0].any()


def test_few_cells_are_no_error(rng):
    z = rng.normal(size=(3, 4))
    mixture = fit_batch_mixture(z, np.array([1, 2, 2]), 2, random_state=0)
    assert np.isfinite(corrected(z, np.array([1, 2, 2]), mixture)).all()


def test_without_rounds_nothing_changes():
    z = torch.ones(2, 3)
    assert torch.equal(BatchMixture(0, 1, 2, 3)(z, torch.tensor([1, 2])), z)


def test_genes_that_differ_only_between_batches_are_not_chosen(rng):
    x = rng.normal(2, 0.3, size=(200, 6))
    batch = np.repeat([1, 2], 100)
    x[batch == 2, 0] += 3
    x[::2, 1] += 2
    x = np.hstack([x, rng.normal(np.linspace(1, 5, 30), 0.3, size=(200, 30))])
    measured = np.ones((1, 36), dtype=bool)
    assert variable_genes(sp.csr_array(x), batch, measured, 1).tolist() == [1]
    assert len(variable_genes(sp.csr_array(x), batch, measured, 36)) == 36
