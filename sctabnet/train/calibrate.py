"""Decide how much the TabNet term counts, and make confidences mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from sctabnet.data.corpus import Corpus
from sctabnet.model.calibration import Calibration
from sctabnet.model.model import Model
from sctabnet.train.cautious import cautious
from sctabnet.train.log_temperature import BOUNDS, log_temperature
from sctabnet.train.wide_path import WidePath

Array = NDArray[np.float64]
PRIOR = 0.5  # standard deviation of the logarithm of the temperature, before any cell is seen
GATES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0)


def calibrate(
    model: Model,
    corpus: Corpus,
    rows: NDArray[np.int64],
    wide: WidePath | None,
    *,
    other_batches: bool,
) -> dict[str, Any]:
    """Set gate and temperature of a label head from held-out cells, in place.

    The gate takes the smallest value of a fixed grid (and the trained one) whose log-loss exceeds
    the lowest by at most two standard errors of the paired difference over cells: 0, which is
    logistic regression alone, unless the cells speak against it. What the TabNet term adds beyond
    that would differ from fit to fit, and with it the genes that are ranked. Where the held-out
    cells come from the batches of the training cells, part of what they gain is these batches' own
    and is lost in a new one: the smallest gate that brings half of the gain is then enough.

    The temperature minimises the log-loss (Guo et al. 2017, arXiv 1706.04599) with a normal prior
    on its logarithm: a few cells that are all right would have it go to 0. The out-of-fold logits
    of the regression serve too, many more cells than the held-out ones: its own temperature comes
    from both, and the TabNet term changes that by the ratio of the temperatures with and without it
    on the same held-out cells, in which most of what is due to these few cells cancels. Where it
    would make the model more sure, half of it counts
    (:func:`~sctabnet.train.cautious.cautious`).

    Parameters
    ----------
    model
        Trained model with a label head.
    corpus
        Where the cells are read from.
    rows
        Rows of held-out labelled cells.
    wide
        The wide path, or None if the model has none.
    other_batches
        Whether the held-out cells are of batches that no training cell is of.

    Returns
    -------
    JSON types: gate, temperature, log-loss with and without the TabNet term, other_batches.
    """
    head = model.network.labels
    assert head is not None, "only a model with a label head is calibrated"
    wide_logits, deep_logits = [], []
    for _, prediction in model.predict(corpus.minibatches(rows)):
        with torch.no_grad():
            wide_logits.append(head.wide_logits(prediction.tokens, model.network.encoder.mean))
            deep_logits.append(head.deep(prediction.encoded.embedding))
    first = torch.cat(wide_logits).cpu().double().numpy()
    second = torch.cat(deep_logits).cpu().double().numpy()
    labels = corpus.label_codes[rows]
    result: dict[str, Any] = {}
    if not head.config.wide:
        logits = second
    elif not head.config.deep:
        logits = first
    else:
        trained = float(head.gate.detach())
        share = 1.0 if other_batches else 0.5
        gate, losses = _choose_gate(first, second, labels, trained, share)
        with torch.no_grad():
            head.gate.fill_(gate)
        result |= {"gate": gate, **losses}
        logits = first + gate * second
    gate_shut = head.config.wide and not bool(head.gate)
    log_t = _log_temperature(logits, labels)
    if wide is not None:
        scored = np.isfinite(wide.out_of_fold).all(1) & ~np.isin(wide.scored_rows, rows)
        more = np.concatenate([first, wide.out_of_fold[scored]])
        known = np.concatenate([labels, corpus.label_codes[wide.scored_rows[scored]]])
        log_t += _log_temperature(more, known) - _log_temperature(first, labels)
        if gate_shut or not head.config.deep:
            logits, labels = more, known
    log_t = cautious(float(np.clip(log_t, *BOUNDS)))
    head.log_temperature.fill_(log_t)
    model.calibration = Calibration(
        torch.from_numpy(logits).float(), torch.from_numpy(labels.astype(np.int64))
    )
    return result | {
        "temperature": float(np.exp(log_t)),
        "n_calibration_cells": len(labels),
        "other_batches": other_batches,
    }


def _losses(logits: Array, labels: NDArray[np.int64]) -> Array:
    return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]


def _log_temperature(logits: Array, labels: NDArray[np.int64]) -> float:
    return log_temperature(logits, labels, prior=PRIOR)


def _choose_gate(
    wide: Array, deep: Array, labels: NDArray[np.int64], trained: float, share: float
) -> tuple[float, dict[str, float]]:
    # each candidate at its own best temperature: the gate must not win by rescaling the logits
    losses = {}
    for gate in sorted({*GATES, max(trained, 0.0)}):
        logits = wide + gate * deep
        losses[gate] = _losses(logits / np.exp(_log_temperature(logits, labels)), labels)
    best_gate = min(losses, key=lambda g: losses[g].mean())
    enough = losses[0.0].mean() - share * (losses[0.0].mean() - losses[best_gate].mean())
    for gate in losses:  # ascending
        excess = losses[gate] - losses[best_gate]
        if len(excess) < 2 or excess.mean() <= 2 * excess.std(ddof=1) / np.sqrt(len(excess)):
            break
        if share < 1 and losses[gate].mean() <= enough:
            break
    return gate, {
        "log_loss_wide": float(losses[0.0].mean()),
        "log_loss": float(losses[gate].mean()),
    }
