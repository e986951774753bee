"""Fit a model to a query without labels of the query."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet._value_kind import ValueKind
from sctabnet.data.categories import categories
from sctabnet.data.corpus import Corpus
from sctabnet.data.open_sources import Source
from sctabnet.model.calibration import Calibration
from sctabnet.model.model import Model
from sctabnet.train.cautious import cautious
from sctabnet.train.gene_factors import GeneFactors
from sctabnet.train.gene_statistics import gene_statistics
from sctabnet.train.log1p_matrix import log1p_matrix
from sctabnet.train.log_temperature import log_temperature
from sctabnet.train.sample_by_label import sample_by_label
from sctabnet.train.scorable_folds import scorable_folds
from sctabnet.train.shared_axes import shared_axes
from sctabnet.train.type_distances import type_distances
from sctabnet.train.wide_path import N_FOLDS, WidePath

MAX_CELLS = 6_000
N_ROUNDS = 2


def adapt(
    model: Model,
    query: Source,
    *,
    method: Literal["statistics", "joint"] = "joint",
    reference: Source | None = None,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    seed: int = 0,
) -> Model:
    """Return a model for one query, fitted to its cells without their labels.

    ``"joint"`` reads the reference again and learns its labels along the principal axes of
    reference and query together, see :func:`~sctabnet.train.shared_axes.shared_axes`. What these
    say and what the model's logistic regression says count half each: the new axes forgive what
    the chemistry does to single genes, the regression knows finer differences, and the mean of
    their log probabilities is about as accurate as the better of the two (Hinton 2002, Neural
    Computation 14:1771). Each of them, and then their mean, has a temperature of its own
    (:func:`~sctabnet.train.cautious.cautious`). The TabNet term is switched off, which was not
    trained beside them.

    ``"statistics"`` needs the query alone: it moves the genes' centres by the difference between
    the query's mean and the mean of a reference of the query's predicted composition. On five
    chemistries that were left out, accuracy rose by 1.9, 1.0, .7 and .2 points and fell by .8.

    ``model`` itself does not change, and with ``"joint"`` the encoder stays as it is. The result is
    for this query; other cells, the reference's embedding among them, need ``model``.

    Parameters
    ----------
    model
        Model with a label head.
    query
        Cells to adapt to: an AnnData, a path, a list of paths, or a prepared corpus.
    method
        What is adapted.
    reference
        The labelled cells that the model was fine-tuned on, for ``"joint"``, with the columns of
        ``.obs`` that it was fine-tuned with. A type of which it has no cell is hardly found again.
    layer
        Layer to read of the query, ``"raw"`` for ``.raw``, or None for ``X``. The reference is
        read as it was for fine-tuning.
    value_kind
        ``"counts"`` or ``"log1p"`` of the query, where you know it and the values leave doubt.
    seed
        Seed of the folds, and of the sample where there are more than 6,000 cells on a side.

    Returns
    -------
    A new model; ``model`` is unchanged.

    Raises
    ------
    ValueError, KeyError
        If the model has no labels, the data do not fit it, or the reference is missing or has
        other labels.

    Examples
    --------
    >>> import sctabnet as sct
    >>> query, model = sct.datasets.example()
    >>> adapted = sct.adapt(model, query, method="statistics")
    >>> adapted.labels == model.labels
    True
    """
    _checks.check_kind(model, Model, argument="model", advice="Load it with sctabnet.Model.load.")
    _checks.check_has_labels(model.labels)
    _check(model, method, reference)
    opened = Corpus.open(
        query,
        layer=layer,
        vocabulary=model.vocabulary,
        covariate_keys=tuple(model.covariates),
        covariate_levels=model.covariates,
        value_kind=value_kind,
    )
    _checks.check_has_cells(opened.n_cells)
    if method == "statistics":
        return _moved(model, opened)
    assert reference is not None, "checked above"
    learned = next(entry for entry in model.history[::-1] if entry["task"] == "labels")
    known = Corpus.open(
        reference,
        layer=learned.get("layer"),
        vocabulary=model.vocabulary,
        labels_key=learned["labels_key"],
        covariate_keys=tuple(model.covariates),
        labels=model.labels,
        covariate_levels=model.covariates,
    )
    strangers = set(categories([known.obs(learned["labels_key"])])) - set(model.labels)
    if strangers:
        raise InputError(
            "The reference must be the cells that the model learned its labels from. Found labels "
            f"that the model does not have: {sorted(strangers)[:5]}. Pass those cells, or "
            "fine-tune a model on these."
        )
    return _joined(model, known, opened, learned, seed)


def _check(model: Model, method: str, reference: Source | None) -> None:
    if method not in ("statistics", "joint"):
        raise InputError(
            f"There is no adaptation of this name. Found {method!r}. "
            "Choose 'statistics' or 'joint'."
        )
    if method == "joint" and reference is None:
        raise InputError(
            "Joint adaptation reads the labelled cells again. Found reference=None. Pass what the "
            "model was fine-tuned on as reference=."
        )
    if not model.config.labels.wide:
        raise InputError(
            "Only a model with the logistic regression over genes can be adapted. Found one that "
            "was fine-tuned with wide=False. Fine-tune one with wide=True."
        )


def _moved(model: Model, query: Corpus) -> Model:
    adapted = deepcopy(model)
    mean_q, _ = gene_statistics(query.minibatches(), len(model.vocabulary))
    measured = torch.from_numpy(query.measured.any(0))
    assert model.type_distance is not None, "a model with labels knows its types' centres"
    centres_gc = model.type_distance.centres
    rows = _at_most(query.n_cells, MAX_CELLS, 0)
    for _ in range(N_ROUNDS):
        composition = torch.from_numpy(_composition(adapted, query, rows)).float()
        shift = torch.where(measured, mean_q - centres_gc @ composition, 0.0)
        adapted.network.encoder.mean.copy_(model.network.encoder.mean + shift)
    adapted.type_distance = replace(
        model.type_distance, centres=centres_gc + shift[:, None].to(centres_gc)
    )
    adapted.history.append({"task": "adapt", "method": "statistics", "n_cells": query.n_cells})
    return adapted


def _joined(
    model: Model, reference: Corpus, query: Corpus, learned: Mapping[str, Any], seed: int
) -> Model:
    codes = reference.label_codes
    mean = model.network.encoder.mean
    groups = None if learned["batch_key"] is None else reference.covariate_codes[:, 0]
    # a regression like the model's, for what it says of cells that it was not fitted on
    sampled = sample_by_label(np.flatnonzero(codes >= 0), codes, MAX_CELLS, seed)
    prior = GeneFactors.of_pretraining(model.network)
    balanced = model.config.labels.class_weight == "balanced"
    own = WidePath(reference, sampled, groups, mean, prior, balanced=balanced)
    rows = own.scored_rows
    rows_q = _at_most(query.n_cells, MAX_CELLS, seed)
    shared = reference.measured.any(0) & query.measured.any(0)
    inner = None if groups is None else groups[rows]
    fitted = shared_axes(
        log1p_matrix(reference, rows, mean)[:, shared],
        codes[rows],
        scorable_folds(codes[rows], inner, n_folds=N_FOLDS, random_state=seed),
        log1p_matrix(query, rows_q, mean)[:, shared],
        _composition(model, query, rows_q),
        balanced=balanced,
    )
    adapted = deepcopy(model)
    network = adapted.network
    head = network.labels
    assert head is not None
    scored = np.isfinite(fitted.out_of_fold).all(1)
    known = codes[rows][scored]
    half_own = 0.5 / np.exp(cautious(log_temperature(own.out_of_fold[scored], known)))
    half_new = 0.5 / np.exp(cautious(log_temperature(fitted.out_of_fold[scored], known)))
    weight = np.zeros((len(mean), len(model.labels)))
    weight[shared] = half_new * fitted.weight
    # the head subtracts the centre of the measured genes
    bias = half_new * fitted.bias + mean.double().numpy() @ weight
    with torch.no_grad():
        head.gate.zero_()
        head.wide.weight[:-1] *= half_own
        head.wide.weight[:-1] += torch.from_numpy(weight).to(head.wide.weight)
        head.bias.mul_(half_own).add_(torch.from_numpy(bias).to(head.bias))
    logits = half_own * own.out_of_fold[scored] + half_new * fitted.out_of_fold[scored]
    log_t = cautious(log_temperature(logits, known))
    head.log_temperature.fill_(log_t)
    adapted.calibration = Calibration(
        torch.from_numpy(logits).float(),
        torch.from_numpy(known),
        # the types were learned from most of these; among thousands, one cell moves them little
        type_distances(adapted, reference, rows[scored]) if adapted.type_distance else None,
    )
    adapted.history.append(
        {
            "task": "adapt",
            "method": "joint",
            "n_cells": query.n_cells,
            "temperature": float(np.exp(log_t)),
            "n_calibration_cells": len(known),
        }
    )
    return adapted


def _composition(model: Model, corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return float64 (c,), the share of each label among cells as a model predicts it."""
    assert model.network.labels is not None
    total = np.zeros(len(model.labels))
    for minibatch, prediction in model.predict(corpus.minibatches(rows)):
        assert prediction.logits is not None
        probability = model.network.labels.probability(prediction.logits)
        total += (probability * minibatch.weights[:, None]).sum(0).double().cpu().numpy()
    return total / total.sum()


def _at_most(n: int, most: int, seed: int) -> NDArray[np.int64]:
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])
