"""The converged ridge logistic regression that the wide path starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from threadpoolctl import threadpool_limits

Array = NDArray[np.float64]
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
MAX_DENSE = 6000
LARGE_PRODUCT = 50_000_000  # multiplications in one pass over the features


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A fitted logistic regression and what it says of cells that it was not fitted on.

    Parameters
    ----------
    weight, bias
        float64 (g, c) and (c,).
    c
        Inverse penalty as in scikit-learn: the loss is the sum over cells plus |W|^2 / (2 c).
    log_loss
        Out-of-fold log-loss of each penalty that was tried.
    out_of_fold
        float64 (n, c) logits of each cell from a fit that had not seen its fold; NaN for cells
        that were in no fold.
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
) -> RidgeFit:
    r"""Fit multinomial logistic regression with the penalty chosen by inner validation.

    Minimises :math:`\sum_i -\log p_{y_i}(x_i) + |W|^2 / (2c)` by L-BFGS to convergence; the bias
    is not penalised. A ridge penalty does not see rotations, so with fewer cells than genes the
    problem is solved exactly in the cells' own coordinates: X X' = L L', then W = X' L'^-1 V
    (Hastie and Tibshirani 2004, Biostatistics 5:329).

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
        Inverse penalties to choose from, ascending.
    """
    small = min(x.shape) <= MAX_DENSE
    rotated = small and x.shape[1] > x.shape[0]
    z: Array | sp.csr_array
    if rotated:
        gram = np.asarray((x @ x.T).todense(), dtype=np.float64)
        gram[np.diag_indices_from(gram)] += 1e-8 * max(gram.trace() / len(gram), 1e-12)
        z = np.linalg.cholesky(gram)
    else:
        z = np.asarray(x.todense(), dtype=np.float64) if small else x.astype(np.float64)
    # waiting for a second BLAS thread costs more than it computes, unless the products are large
    threads = None if isinstance(z, np.ndarray) and z.size * n_labels > LARGE_PRODUCT else 1
    with threadpool_limits(threads, user_api="blas"):
        out = {c: np.full((x.shape[0], n_labels), np.nan) for c in penalties}
        rough = z.astype(np.float32)  # precise enough to choose a penalty, at half of the time
        seen: dict[float, Array] = {}
        for fold in folds:
            train = np.setdiff1d(np.arange(len(labels)), fold)
            some, start = rough[train], None
            for c in penalties:
                start = seen[c] = _fit(some, labels[train], n_labels, c, start, tolerance=1e-7)
                out[c][fold] = z[fold] @ start[:-1] + start[-1]
        scored = np.concatenate(folds) if folds else np.zeros(0, dtype=np.int64)
        losses = {c: _log_loss(out[c][scored], labels[scored]) for c in penalties} if folds else {}
        best = min(losses, key=losses.__getitem__) if losses else penalties[len(penalties) // 2]
        fitted = _fit(z, labels, n_labels, best, seen.get(best))
    weight, bias = fitted[:-1], fitted[-1]
    if rotated:
        weight = x.T @ solve_triangular(z, weight, trans="T", lower=True)
    return RidgeFit(np.asarray(weight), bias, best, losses, out[best])


def _log_loss(logits: Array, labels: NDArray[np.int64]) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def _fit(
    z: NDArray[np.floating] | sp.csr_array,
    labels: NDArray[np.int64],
    n_labels: int,
    c: float,
    start: Array | None,
    tolerance: float = 1e-9,
) -> Array:
    """Return (features + 1, c): weights, and the bias in the last row."""
    n, n_features = z.shape
    present = np.bincount(labels, minlength=n_labels)
    target = np.zeros((n, n_labels))
    target[np.arange(n), labels] = 1
    if start is None:
        start = np.zeros((n_features + 1, n_labels))
        start[-1] = np.log(np.maximum(present, 0.5) / n)
    free = present > 0  # a label without cells has no finite optimum: it keeps its start

    def objective(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(n_features + 1, n_labels)
        logits = z @ w[:-1].astype(z.dtype) + w[-1]
        loss = -(log_softmax(logits, axis=1) * target).sum() + (w[:-1] ** 2).sum() / (2 * c)
        residual = (softmax(logits, axis=1) - target) * free
        gradient = np.vstack([z.T @ residual.astype(z.dtype) + w[:-1] / c, residual.sum(0)])
        return loss / n, gradient.ravel() / n

    solution = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": 500, "gtol": 1e-5, "ftol": tolerance},
    )  # fmt: skip
    return solution.x.reshape(n_features + 1, n_labels)
