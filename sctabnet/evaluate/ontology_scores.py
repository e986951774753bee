"""Scores that know which cell types are kinds of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import f1_score

from sctabnet.data.cell_ontology import CellOntology


def ontology_scores(
    truth: Sequence[str],
    predicted: Sequence[str],
    ontology: CellOntology,
    *,
    ontology_terms: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Return accuracy and macro-F1 with descendants counted as right, and the mean hop distance.

    A prediction that is a kind of the true type cannot be called wrong, because the annotator may
    not have looked closer; a parent of it is wrong (scTab, Fischer et al. 2024). Hops are the
    edges between both in the ontology, which tells near misses from far ones.

    Parameters
    ----------
    truth, predicted
        Label of every cell.
    ontology
        The Cell Ontology.
    ontology_terms
        Term of each label that is itself no name or identifier in the ontology.

    Returns
    -------
    ``descendant_accuracy``, ``descendant_macro_f1``, and ``mean_hops`` over the cells, in which a
    descendant is as far as its edges say, and labels without a way between them do not count.

    Raises
    ------
    KeyError
        If a label is no term of the ontology.
    """
    names = sorted({*map(str, truth), *map(str, predicted)})
    term_of = dict(zip(names, ontology.find_all(names, ontology_terms), strict=True))
    known = np.array([term_of[str(label)] for label in truth])
    given = np.array([term_of[str(label)] for label in predicted])
    pairs, where = np.unique(np.stack([known, given], 1), axis=0, return_inverse=True)
    where = where.reshape(-1)
    right = np.array([ontology.is_a(other, one) for one, other in pairs])[where]
    hops = np.array([ontology.hops(one, other) for one, other in pairs])[where]
    corrected = np.where(right, known, given)
    macro = f1_score(known, corrected, labels=np.unique(known), average="macro", zero_division=0)
    return {
        "descendant_accuracy": float(right.mean()),
        "descendant_macro_f1": float(macro),
        "mean_hops": float(hops[hops >= 0].mean()) if (hops >= 0).any() else float("nan"),
    }
