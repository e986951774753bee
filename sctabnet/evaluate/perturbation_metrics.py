"""Scores of predicted mean effects; none of them rewards a shared control or a mean effect.

Legend of suffixes: q tested conditions, r reference conditions, g genes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_TOP = 20


def perturbation_metrics(
    predicted_qg: Array,
    truth_qg: Array,
    *,
    start_qg: Array,
    control_qg: Array,
    centroid_qg: Array,
    error_qg: Array,
    control_error_qg: Array,
    reference_rg: Array,
    own_r: NDArray[np.int64],
    target_qg: NDArray[np.bool_] | None = None,
) -> dict[str, Array]:
    """Score predicted means of conditions that were held out.

    Parameters
    ----------
    predicted_qg, truth_qg
        Predicted and measured mean log1p expression.
    start_qg, control_qg
        Controls that the prediction started from, and others that it has not seen: with shared
        controls, their noise alone makes effects correlate.
    centroid_qg
        Mean of the perturbed means that were trained on (Systema's reference, which takes away
        what all perturbations share; Viñas Torné et al. 2025, Nat Biotechnol).
    error_qg, control_error_qg
        Squared standard errors of ``truth_qg`` and ``control_qg``.
    reference_rg
        Measured means of all conditions, among which a prediction should find its own.
    own_r
        int64 (q,), row of ``reference_rg`` that is the condition itself.
    target_qg
        Genes that were perturbed themselves, left out of the discrimination scores.

    Returns
    -------
    One value per condition and metric, NaN where it is not defined:

    ``l2``, ``mae``, ``noise`` (the squared L2 that a perfect prediction has), ``effect`` (squared
    L2 of no change), ``pearson_delta``, ``pearson_centroid``, ``pearson_delta_top20``,
    ``l2_top20``, ``weighted_r2`` (Mejia et al. 2025, arXiv 2506.22641), ``pds_l1``, ``pds_l2``,
    ``pds_cosine`` (1 - rank / n, cell-eval's discrimination scores), ``norm_ratio``,
    ``centroid_accuracy`` (Systema), ``direction`` (share of significant genes with the right
    sign), ``de_overlap`` (top-N of both lists, N significant genes at BH 5 %), ``n_significant``.
    """
    delta, true_delta = predicted_qg - start_qg, truth_qg - control_qg
    z = true_delta / np.sqrt(error_qg + control_error_qg + 1e-12)
    n = len(predicted_qg)
    error = predicted_qg - truth_qg
    out: dict[str, Array] = {
        "l2": np.linalg.norm(error, axis=1),
        "mae": np.abs(error).mean(axis=1),
        "noise": error_qg.sum(axis=1),
        "effect": ((start_qg - truth_qg) ** 2).sum(axis=1),
        "pearson_delta": _pearson(delta, true_delta),
        "pearson_centroid": _pearson(predicted_qg - centroid_qg, truth_qg - centroid_qg),
        "norm_ratio": np.linalg.norm(delta, axis=1) / np.linalg.norm(true_delta, axis=1),
    }
    names = ["pearson_delta_top20", "l2_top20", "weighted_r2", "centroid_accuracy"]
    names += ["direction", "de_overlap", "n_significant", "pds_l1", "pds_l2", "pds_cosine"]
    out |= {name: np.full(n, np.nan) for name in names}
    for q in range(n):
        top = np.argsort(-np.abs(z[q]), kind="stable")[:_TOP]
        out["pearson_delta_top20"][q] = _pearson(delta[q : q + 1, top], true_delta[q : q + 1, top])[
            0
        ]
        out["l2_top20"][q] = np.linalg.norm(error[q, top])
        out["weighted_r2"][q] = _weighted_r2(
            predicted_qg[q] - centroid_qg[q], truth_qg[q] - centroid_qg[q], error_qg[q]
        )
        significant = _significant(z[q])
        k = int(significant.sum())
        out["n_significant"][q] = k
        if k:
            right = np.sign(delta[q]) == np.sign(true_delta[q])
            out["direction"][q] = right[significant].mean()
            ranked = np.argsort(-np.abs(delta[q]), kind="stable")[:k]
            moved = ranked[np.abs(delta[q, ranked]) > 1e-12]
            strongest = np.argsort(-np.abs(true_delta[q]) * significant, kind="stable")[:k]
            out["de_overlap"][q] = len(np.intersect1d(moved, strongest)) / k
        genes = np.ones(delta.shape[1], bool) if target_qg is None else ~target_qg[q]
        real = (reference_rg - control_qg[q])[:, genes]
        mine = delta[q, genes]
        others = np.delete(reference_rg, own_r[q], axis=0)
        distance = np.linalg.norm(others - predicted_qg[q], axis=1)
        own = np.linalg.norm(reference_rg[own_r[q]] - predicted_qg[q])
        if len(others):
            out["centroid_accuracy"][q] = (distance > own).mean()
        for name, values in _distances(mine, real).items():
            rank = (values < values[own_r[q]]).sum()
            ties = (values == values[own_r[q]]).sum() - 1
            out[f"pds_{name}"][q] = 1 - (rank + ties / 2) / len(real)
    return out


def _distances(mine_g: Array, real_rg: Array) -> dict[str, Array]:
    length = np.linalg.norm(real_rg, axis=1) * max(float(np.linalg.norm(mine_g)), 1e-12)
    return {
        "l1": np.abs(real_rg - mine_g).sum(axis=1),
        "l2": np.linalg.norm(real_rg - mine_g, axis=1),
        "cosine": 1 - (real_rg @ mine_g) / np.maximum(length, 1e-12),
    }


def _pearson(a_qg: Array, b_qg: Array) -> Array:
    a = a_qg - a_qg.mean(axis=1, keepdims=True)
    b = b_qg - b_qg.mean(axis=1, keepdims=True)
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    defined = length > 1e-9
    return np.where(defined, (a * b).sum(axis=1) / np.where(defined, length, 1.0), np.nan)


def _weighted_r2(predicted_g: Array, truth_g: Array, error_g: Array) -> float:
    """Return R2 of the deviation from the mean perturbation, genes weighted by its t squared."""
    # the fudge factor of SAM: a gene that is nearly silent must not take all the weight
    fudge = float(np.sqrt(np.median(error_g[error_g > 0]))) if (error_g > 0).any() else 1.0
    t = np.abs(truth_g) / (np.sqrt(error_g) + fudge)
    weight = ((t - t.min()) / max(float(t.max() - t.min()), 1e-12)) ** 2
    weight = weight / max(float(weight.sum()), 1e-12)
    total = (weight * (truth_g - (weight * truth_g).sum()) ** 2).sum()
    return float(1 - (weight * (truth_g - predicted_g) ** 2).sum() / max(float(total), 1e-12))


def _significant(z_g: Array, level: float = 0.05) -> NDArray[np.bool_]:
    """Benjamini and Hochberg on two-sided normal p-values."""
    from scipy.stats import norm

    p = 2 * norm.sf(np.abs(z_g))
    order = np.argsort(p)
    below = p[order] <= level * np.arange(1, len(p) + 1) / len(p)
    keep = np.zeros(len(p), bool)
    if below.any():
        keep[order[: np.flatnonzero(below)[-1] + 1]] = True
    return keep
