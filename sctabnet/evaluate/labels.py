"""Scores of transferred labels against known ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import f1_score

from sctabnet._errors import InputError
from sctabnet.data.cell_ontology import CellOntology
from sctabnet.evaluate.ontology_scores import ontology_scores
from sctabnet.model.calibration_error import calibration_error

RARE = 0.05


def labels(
    truth: Sequence[str],
    predicted: Sequence[str],
    *,
    confidence: ArrayLike | None = None,
    label_sets: Sequence[str] | None = None,
    ontology: CellOntology | None = None,
    ontology_terms: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Return accuracy, macro-F1, and what else can be said of the labels.

    Parameters
    ----------
    truth, predicted
        Label of every cell. Macro-F1 is the mean over the labels that occur in ``truth``.
    confidence
        Of each predicted label, between 0 and 1.
    label_sets
        Of each cell, labels joined by ``|``.
    ontology
        Gives scores in which a kind of the true type is right too, see
        :func:`~sctabnet.evaluate.ontology_scores.ontology_scores`.
    ontology_terms
        Term of each label that is itself no name or identifier in the ontology.

    Returns
    -------
    ``accuracy``, ``macro_f1``; ``rare_f1`` (the mean over labels of less than 5 % of the cells)
    where there are such; ``ece`` with ``confidence``; ``set_coverage``, ``set_size`` and
    ``worst_set_coverage`` (of the label that is covered least) with ``label_sets``;
    ``descendant_accuracy``, ``descendant_macro_f1`` and ``mean_hops`` with ``ontology``.

    Raises
    ------
    ValueError, KeyError
        If the lengths differ, there is no cell, a confidence is no probability, or a label is no
        term of the ontology.

    Examples
    --------
    >>> labels(["B", "T", "T"], ["B", "T", "B"])
    {'accuracy': 0.6666666666666666, 'macro_f1': 0.6666666666666666}
    """
    if len(truth) != len(predicted) or len(truth) == 0:
        raise InputError(
            "truth and predicted must have the same number of cells, at least one. Found "
            f"{len(truth)} and {len(predicted)}. Give both for the same cells."
        )
    for name, more in (("confidence", confidence), ("label_sets", label_sets)):
        if more is not None and np.size(more) != len(truth):
            raise InputError(
                f"{name} must have one entry per cell. Found {np.size(more)} for {len(truth)} "
                "cells. Give those of the same cells."
            )
    if confidence is not None:
        unsound = ~((np.asarray(confidence) >= 0) & (np.asarray(confidence) <= 1))
        if unsound.any():
            raise InputError(
                "Confidences are probabilities between 0 and 1. Found "
                f"{np.asarray(confidence)[unsound][0]} among them. Pass calibrated probabilities."
            )
    n_missing = int(pd.isna(np.asarray(truth, dtype=object)).sum())
    if n_missing:
        raise InputError(
            f"truth must name the type of every cell. Found {n_missing} cells without one. "
            "Leave them out."
        )
    known, given = np.asarray(truth, dtype=str), np.asarray(predicted, dtype=str)
    names, counts = np.unique(known, return_counts=True)
    f1 = f1_score(known, given, labels=names, average=None, zero_division=0)
    scores = {"accuracy": float((known == given).mean()), "macro_f1": float(f1.mean())}
    rare = counts < RARE * len(known)
    if rare.any():
        scores["rare_f1"] = float(f1[rare].mean())
    if confidence is not None:
        scores["ece"] = calibration_error(known == given, confidence)
    if label_sets is not None:
        sets = [set(text.split("|")) - {""} for text in label_sets]
        holds = np.array([label in of for label, of in zip(known, sets, strict=True)])
        scores["set_coverage"] = float(holds.mean())
        scores["set_size"] = float(np.mean([len(of) for of in sets]))
        scores["worst_set_coverage"] = float(min(holds[known == name].mean() for name in names))
    if ontology is not None:
        scores |= ontology_scores(truth, predicted, ontology, ontology_terms=ontology_terms)
    return scores
