"""The converged ridge logistic regression that the wide path starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from sctabnet.train.label_weights import label_weights
from sctabnet.train.row_space import RowSpace

Array = NDArray[np.float64]
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A fitted logistic regression and what it says of cells that it was not fitted on.

    Parameters
    ----------
    weight, bias
        float64 (g, c) and (c,).
    c
        Inverse penalty as in scikit-learn: the loss is the sum over cells plus |W|^2 / (2 c).
        Chosen between those that were tried, where their losses say.
    log_loss
        Out-of-fold log-loss of each penalty that was tried.
    out_of_fold
        float64 (n, c) logits of each cell from a fit that had not seen its fold, with the best
        penalty that was tried; NaN for cells that were in no fold.
    """

    weight: Array
    bias: Array
    c: float
    log_loss: dict[float, float]
    out_of_fold: Array


def ridge(
    x: sp.csr_array,
    labels: NDArray[np.int64],
    n_labels: int,
    folds: list[NDArray[np.int64]],
    *,
    penalties: tuple[float, ...] = PENALTIES,
    balanced: bool = False,
    start: Array | None = None,
) -> RidgeFit:
    r"""Fit multinomial logistic regression with the penalty chosen by inner validation.

    Minimises :math:`\sum_i -w_{y_i} \log p_{y_i}(x_i) + |W|^2 / (2c)` by L-BFGS, with w = 1 or the
    weights of :func:`~sctabnet.train.label_weights.label_weights`; the bias is not penalised.
    The features are centred in the products, never in memory: the optimum is the same, the way
    there half as long, and a pass costs what the cells express, or less for few cells
    (:class:`~sctabnet.train.row_space.RowSpace`).

    Parameters
    ----------
    x
        (n, g) features, centred by the caller where that matters.
    labels
        int64 (n,), codes below ``n_labels``.
    n_labels
        Number of labels c; a label without cells gets the lowest bias.
    folds
        Positions of each inner fold; with none, the middle penalty is taken unseen.
    penalties
        Inverse penalties to choose from, ascending; tried until the loss has risen twice.
    balanced
        Every label counts alike in the fit, however many cells it has. The penalty is chosen by
        the loss of the cells as they are: that of a label with a few cells is too uncertain.
    start
        float64 (g + 1, c) where the search begins: weights, and the bias as the last row.
    """
    out = {c: np.full((x.shape[0], n_labels), np.nan) for c in penalties}
    space = RowSpace(x)
    if start is not None:
        start = np.vstack([space.inwards(start[:-1]), start[-1]])
    rough = space.features.astype(np.float32)  # precise enough to choose a penalty
    scored = np.concatenate(folds) if folds else np.zeros(0, dtype=np.int64)
    losses: dict[float, float] = {}
    starts: list[Array | None] = [None] * len(folds)
    rest = [np.setdiff1d(np.arange(len(labels)), fold) for fold in folds]
    known = [(rough[train], labels[train]) for train in rest]
    for c in penalties if folds else ():
        for i, fold in enumerate(folds):
            found = _fit(*known[i], n_labels, c, starts[i], balanced, tolerance=1e-7)
            out[c][fold] = rough[fold] @ found[:-1] + found[-1]
            starts[i] = found
        losses[c] = _log_loss(out[c][scored], labels[scored])
        if start is None or losses[c] == min(losses.values()):
            start = starts[-1]
        if min(losses.values()) < min(list(losses.values())[-2:]):
            break  # it has risen twice: weaker penalties only take longer
    best = min(losses, key=losses.__getitem__) if losses else penalties[len(penalties) // 2]
    c = _lowest(losses, best)
    fitted = _fit(space.features.astype(np.float64), labels, n_labels, c, start, balanced)
    return RidgeFit(space.outwards(fitted[:-1]), fitted[-1], c, losses, out[best])


def _lowest(losses: dict[float, float], best: float) -> float:
    """Return where the parabola through the lowest loss and its neighbours, over log c, is lowest.

    Two fits whose folds differ choose nearly the same penalty so, instead of one of two grid
    points that are three times apart: their weights, and the genes they rank, agree better.
    """
    grid = sorted(losses)
    i = grid.index(best) if best in losses else 0
    if not 0 < i < len(grid) - 1:
        return best
    near = np.log(grid[i - 1 : i + 2])
    curve = np.polynomial.Polynomial.fit(near, [losses[c] for c in grid[i - 1 : i + 2]], 2)
    bend, slope = curve.deriv(2)(0.0), curve.deriv()(0.0)
    return float(np.exp(np.clip(-slope / bend, near[0], near[2]))) if bend > 0 else best


def _log_loss(logits: Array, labels: NDArray[np.int64]) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def _fit(
    x: Array | sp.csr_array,
    labels: NDArray[np.int64],
    n_labels: int,
    c: float,
    start: Array | None,
    balanced: bool,
    tolerance: float = 1e-9,
) -> Array:
    """Return (features + 1, c): weights, and the bias in the last row."""
    n, n_features = x.shape
    x_t = sp.csr_array(x.T) if sp.issparse(x) else np.ascontiguousarray(x.T)
    centre = np.asarray(x.mean(0, dtype=np.float64))
    present = np.bincount(labels, minlength=n_labels)
    free = present > 0  # a label without cells has no finite optimum: it keeps its start
    cells = np.arange(n)
    counted = label_weights(labels)[labels] if balanced else np.ones(n)
    if start is None:
        start = np.zeros((n_features + 1, n_labels))
        start[-1] = np.log(np.maximum(present, 0.5) / n)
    start = np.vstack([start[:-1], start[-1] + centre @ start[:-1]])

    def objective(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(n_features + 1, n_labels)
        logits = x @ w[:-1].astype(x.dtype) + (w[-1] - centre @ w[:-1])
        logits -= logits.max(1, keepdims=True)
        odds = np.exp(logits)
        total = odds.sum(1)
        losses = np.log(total) - logits[cells, labels]
        loss = (counted * losses).sum() + (w[:-1] ** 2).sum() / (2 * c)
        residual = odds / total[:, None]
        residual[cells, labels] -= 1
        residual *= counted[:, None] * free
        bias = residual.sum(0)
        gradient = x_t @ residual.astype(x.dtype) - centre[:, None] * bias + w[:-1] / c
        return loss / n, np.vstack([gradient, bias]).ravel() / n

    solution = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": 500, "gtol": 1e-5, "ftol": tolerance},
    )  # fmt: skip
    w = solution.x.reshape(n_features + 1, n_labels)
    return np.vstack([w[:-1], w[-1] - centre @ w[:-1]])
