from __future__ import annotations

import numpy as np
import torch

import sctabnet as sct
from sctabnet.train.ridge import RidgeFit
from sctabnet.train.wide_path import _first_as_good


def fit(probability):
    """A fit that gave the right one of two labels these probabilities, NaN for cells of no fold."""
    logit = np.log(probability / (1 - probability))
    return RidgeFit(np.zeros((1, 2)), np.zeros(2), 1.0, {}, np.column_stack([logit, 0 * logit]))


def test_a_later_scaling_needs_more_than_a_standard_error():
    labels = np.zeros(401, dtype=np.int64)
    first = np.full(401, 0.3)  # losses
    better, lucky = first - 0.05, first + np.repeat([-0.2, 0.2, 0], [205, 195, 1])
    first[-1] = better[-1] = lucky[-1] = np.nan  # a cell of no fold
    first, better, lucky = (fit(np.exp(-losses)) for losses in (first, better, lucky))
    assert _first_as_good([first, better], labels) == 1
    assert _first_as_good([better, first], labels) == 0
    # a lead of .005 where single cells differ by .2 is none
    assert _first_as_good([first, lucky], labels) == 0


def test_without_held_out_cells_the_first_is_taken():
    nothing = fit(np.full(5, np.nan))
    assert _first_as_good([nothing, nothing], np.zeros(5, dtype=np.int64)) == 0


def test_two_seeds_have_the_same_regression(cells):
    """The held-out cells differ between seeds; what is learned of all cells in the end does not."""
    one, two = (sct.finetune(cells, labels_key="cell_type", deep=False, seed=s) for s in (0, 1))
    assert one.history[-1]["ridge_c"] == two.history[-1]["ridge_c"]
    first, second = (m.network.labels.wide.weight for m in (one, two))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-3 * float(first.abs().max()))
    assert not torch.equal(one.network.encoder.mean, two.network.encoder.mean)
