"""Logistic regression along the axes of variation that a reference and a query share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import softmax

from sctabnet.train.matched_moments import matched_moments
from sctabnet.train.principal_axes import principal_axes
from sctabnet.train.ridge import ridge

Array = NDArray[np.float64]
N_AXES = 50
N_ROUNDS = 3
PENALTIES = (0.01, 0.1, 1.0, 10.0)
RAREST = 1e-3  # share that a type is taken to have in a query at least


@dataclass(frozen=True, slots=True)
class SharedAxes:
    """What :func:`shared_axes` found.

    Parameters
    ----------
    weight, bias
        float64 (g, c), (c,): logits of a query's cells are ``x @ weight + bias``.
    out_of_fold
        float64 (n, c): logits of the reference's cells from fits without their fold; NaN for cells
        that were in no fold.
    composition
        float64 (c,): share of each type in the query, as predicted.
    """

    weight: Array
    bias: Array
    out_of_fold: Array
    composition: Array


def shared_axes(
    reference: sp.csr_array,
    labels: NDArray[np.int64],
    folds: list[NDArray[np.int64]],
    query: sp.csr_array,
    composition: Array,
    *,
    balanced: bool,
) -> SharedAxes:
    """Learn labels along the principal axes of reference and query together.

    Each side is scaled by its own mean and spread, which takes out what the chemistry does to
    every gene. So that this does not take out a difference in composition too, cells of the
    reference count as their type is predicted to be frequent in the query (label shift: Saerens et
    al. 2002, Neural Computation 14:21), in a few rounds of predicting and weighting. Axes along
    which only one side varies get little room among the first fifty.

    Parameters
    ----------
    reference, query
        (n, g) and (m, g) log1p values.
    labels
        int64 (n,), codes of the reference's cells.
    folds
        Positions of each inner fold of the reference, for the penalty.
    composition
        float64 (c,), a first guess of each type's share in the query.
    balanced
        Every label counts alike in the regression, however many cells it has.
    """
    counts = np.bincount(labels, minlength=len(composition))
    mean_q, std_q = matched_moments(query, np.ones(query.shape[0]))
    scaled_q = sp.csr_array(query @ sp.diags_array(1 / std_q))
    for _ in range(N_ROUNDS):
        weights = (np.maximum(composition, RAREST) / np.maximum(counts, 1))[labels]
        weights /= weights.mean()
        mean_r, std_r = matched_moments(reference, weights)
        scaled_r = sp.csr_array(reference @ sp.diags_array(1 / std_r))
        root = np.sqrt(weights)
        both = sp.csr_array(sp.vstack([sp.diags_array(root) @ scaled_r, scaled_q]))
        # each side is centred on its own mean
        sides = np.zeros((both.shape[0], 2))
        sides[: len(root), 0], sides[len(root) :, 1] = root, 1
        centres = np.stack([mean_r / std_r, mean_q / std_q])
        axes = principal_axes(both, centres, N_AXES, sides=sides)
        places_r, places_q = (
            scaled_r @ axes - centres[0] @ axes,
            scaled_q @ axes - centres[1] @ axes,
        )
        unit = max(float(places_r.std()), np.finfo(float).tiny)
        fitted = ridge(
            sp.csr_array(places_r / unit), labels, len(composition), folds,
            penalties=PENALTIES, balanced=balanced,
        )  # fmt: skip
        composition = softmax(places_q / unit @ fitted.weight + fitted.bias, axis=1).mean(0)
    weight = axes @ fitted.weight / unit / std_q[:, None]
    return SharedAxes(weight, fitted.bias - mean_q @ weight, fitted.out_of_fold, composition)
