from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy.special import softmax

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._value_kind import ValueKind
from sctabnet.data.cell_ontology import CellOntology
from sctabnet.data.open_sources import Source
from sctabnet.model.model import Model
from sctabnet.tl._check_applicable import check_applicable
from sctabnet.tl._judge_cells import judge_cells
from sctabnet.tl._merged_uns import merged_uns
from sctabnet.tl._open_query import open_query
from sctabnet.tl._overclusters import check_clustering_installed, overclusters
from sctabnet.tl._params import params
from sctabnet.train.adapt import adapt as fit_to_query
from sctabnet.uncertainty.back_off import BackOff
from sctabnet.uncertainty.label_judge import LabelJudge
from sctabnet.uncertainty.majority_vote import majority_vote

_SAFE = 0.9  # share of cells whose ontology term holds the true label, where none is asked for


def transfer_labels(
    adata: AnnData,
    model: Model,
    *,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    adapt: Literal["none", "statistics", "joint"] = "none",
    reference: Source | None = None,
    labels: Sequence[str] | None = None,
    false_positive_rate: float = 0.05,
    coverage: float | None = None,
    probability: bool = False,
    embedding: bool = False,
    majority_voting: Literal[True] | str | None = None,
    ontology: CellOntology | str | Path | None = None,
    ontology_terms: Mapping[str, str] | None = None,
    key_added: str = "sctabnet",
    overwrite: bool = False,
    copy: bool = False,
) -> AnnData | None:
    """Name the cell type of every cell, with a calibrated confidence.

    Parameters
    ----------
    adata
        Cells to annotate; in memory or backed, read in one pass. Their matrix is not changed.
        Columns of ``obs`` with the model's covariates are used; a missing column or an unseen
        level is "unknown", which the model was trained for.
    model
        Model with a label head, from :func:`sctabnet.finetune`.
    layer
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``.
    value_kind
        ``"counts"`` or ``"log1p"``, where you know it and the values leave doubt.
    adapt
        Fit the model to these cells first, without labels: see :func:`sctabnet.adapt`. ``"joint"``
        suits a whole atlas of another chemistry, and needs ``reference``.
    reference
        The labelled cells that the model was fine-tuned on, for ``adapt="joint"``.
    labels
        Give only these of the model's labels; probabilities are renormalised over them.
    false_positive_rate
        Share of cells of known types that may be flagged as unknown.
    coverage
        Write label sets that hold the true label with this probability, or None. The promise is
        kept for cells like those of the reference; where clearly more cells would lose even their
        most probable label, as in an atlas of another chemistry, the sets are widened until they
        do not (``set_widening`` in the params).
    probability
        Write the probabilities of all labels too.
    embedding
        Write the embedding too, as :func:`sctabnet.tl.embed` does, in the same pass.
    majority_voting
        Column of ``obs`` with clusters that vote for one label each; True makes small Leiden
        clusters along the principal axes (needs ``pip install 'sctabnet[cluster]'``).
    ontology
        The Cell Ontology, or the path of ``cl.obo``: write the deepest term that is safe to say,
        which holds the true label with probability ``coverage`` (0.9 if that is None).
    ontology_terms
        Term of each label that is itself no name or identifier in the ontology.
    key_added
        Prefix of the slots.
    overwrite
        Replace columns of that name.
    copy
        Return a copy instead of writing into ``adata``.

    Returns
    -------
    Returns ``None`` if ``copy=False``, else the AnnData. Sets the following fields:

    ``adata.obs[key_added + "_label"]``
        categorical, all labels of the reference in its order.
    ``adata.obs[key_added + "_confidence"]``
        float32, calibrated probability of that label.
    ``adata.obs[key_added + "_margin"]``
        float32, by how much it exceeds the probability of the next label.
    ``adata.obs[key_added + "_unknown"]``
        bool, less like the known types than all but ``false_positive_rate`` of their cells.
    ``adata.obs[key_added + "_unknown_score"]``
        float32, how unlike the known types, the larger the less; see
        :class:`~sctabnet.uncertainty.unknown_score.UnknownScore`.
    ``adata.obsm[key_added + "_label_set"]``, ``adata.obs[key_added + "_label_set"]``
        bool (cells, labels) and the labels joined by ``|``, with ``coverage``.
    ``adata.obs[key_added + "_majority_label"]``, ``adata.obs[key_added + "_majority_share"]``
        categorical, float32: the label that most cells of the cluster have, and their share, with
        ``majority_voting``; with True also the clusters, ``adata.obs[key_added + "_cluster"]``.
    ``adata.obs[key_added + "_ontology_label"]``, ``..._ontology_term``, ``..._ontology_confidence``
        categorical, categorical, float32: name, identifier and calibrated probability of the
        deepest safe term, with ``ontology``.
    ``adata.obsm[key_added + "_probability"]``
        float32 (cells, labels), with ``probability=True``.
    ``adata.obsm["X_" + key_added]``
        float32 (cells, n_d), with ``embedding=True``.
    ``adata.uns[key_added]``
        ``labels`` and ``params``.

    Raises
    ------
    ValueError, KeyError
        If the data do not fit the model, the model has no labels, a name is unknown, or a column
        exists already; ``adata`` is unchanged then.
    ImportError
        If clusters are asked for and the package that makes them is not installed.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata, model = sct.datasets.example()
    >>> sct.tl.transfer_labels(adata, model, coverage=0.9, key_added="new")
    >>> list(adata.obs["new_label"].cat.categories)
    ['B cell', 'NK cell', 'T cell']
    >>> adata.obsm["new_label_set"].shape
    (240, 3)
    """
    keys = Keys(key_added)
    check_applicable(adata, model, copy=copy)
    majority_voting = majority_voting or None
    _checks.check_share(false_positive_rate, argument="false_positive_rate", example=0.05)
    if coverage is not None:
        _checks.check_share(coverage, argument="coverage", example=0.9)
        _checks.check_labels_can_be_joined(model.labels)
    _checks.check_has_labels(model.labels)
    allowed = _allowed(model, labels)
    if majority_voting is True:
        check_clustering_installed()
    elif majority_voting is not None:
        _checks.check_obs_key(adata.obs.columns, majority_voting, argument="majority_voting")
    known = CellOntology.load(ontology) if isinstance(ontology, str | Path) else ontology
    terms = None if known is None else known.find_all(model.labels, ontology_terms)
    columns = [keys.label, keys.confidence, keys.margin, keys.unknown, keys.unknown_score]
    columns += [] if coverage is None else [keys.label_set]
    columns += [] if majority_voting is None else [keys.majority_label, keys.majority_share]
    columns += [keys.cluster] if majority_voting is True else []
    if known is not None:
        columns += [keys.ontology_label, keys.ontology_term, keys.ontology_confidence]
    _checks.check_slots_free(adata.obs.columns, columns, slot="obs", overwrite=overwrite)
    corpus = open_query(adata, model, layer=layer, value_kind=value_kind)
    if adapt != "none":
        model = fit_to_query(
            model, adata, method=adapt, reference=reference, layer=layer, value_kind=value_kind
        )
    head, calibration = model.network.labels, model.calibration
    assert head is not None and calibration is not None, "a model with labels is calibrated"
    panel = torch.from_numpy(corpus.measured).to(head.bias)
    calibration = replace(calibration, logits=head.as_for_panel(calibration.logits, panel))
    judge = LabelJudge(
        calibration, float(head.log_temperature), allowed,
        false_positive_rate=false_positive_rate, coverage=coverage,
    )  # fmt: skip
    back_off = None
    if known is not None and terms is not None:
        back_off = BackOff(
            known, terms, softmax(judge.logits, axis=1), judge.labels,
            coverage=coverage or _SAFE,
        )  # fmt: skip
    found = judge_cells(
        corpus, model, judge,
        label_sets=coverage is not None, probability=probability,
        embedding=embedding, coordinates=majority_voting is True, back_off=back_off,
    )  # fmt: skip

    categories = pd.Index(model.labels)
    new: dict[str, Any] = {
        keys.label: pd.Categorical.from_codes(found.codes, categories),
        keys.confidence: found.confidence,
        keys.margin: found.margin,
        keys.unknown: found.unknown,
        keys.unknown_score: found.unknown_score,
    }
    if found.label_sets is not None:
        names = np.asarray(model.labels, dtype=object)
        new[keys.label_set] = ["|".join(names[row]) for row in found.label_sets]
    if majority_voting is not None:
        if majority_voting is True:
            assert found.coordinates is not None
            clusters = overclusters(found.coordinates)
            new[keys.cluster] = pd.Categorical(clusters.astype(str))
        else:
            clusters = pd.factorize(adata.obs[majority_voting])[0].astype(np.int64)
        winner, share = majority_vote(found.codes, clusters, len(model.labels))
        new[keys.majority_label] = pd.Categorical.from_codes(winner, categories)
        new[keys.majority_share] = share.astype(np.float32)
    if known is not None and back_off is not None and found.term is not None:
        said = [back_off.terms[i] for i in range(int(found.term.max()) + 1)]
        named = pd.Index([known.names[term] for term in said])
        new[keys.ontology_label] = pd.Categorical.from_codes(found.term, named)
        new[keys.ontology_term] = pd.Categorical.from_codes(found.term, pd.Index(said))
        for column in (keys.ontology_label, keys.ontology_term):
            new[column] = new[column].remove_unused_categories()
        new[keys.ontology_confidence] = found.term_confidence

    alignment = corpus.alignments[0]
    made = params(
        "transfer_labels", model, layer=layer, coverage=coverage,
        false_positive_rate=false_positive_rate, unknown_threshold=judge.threshold,
        restricted_to=None if labels is None else list(labels),
        majority_voting=majority_voting, adapt=adapt,
        ontology_threshold=None if back_off is None else back_off.threshold,
        set_widening=found.set_widening,
        n_genes_shared=alignment.n_shared, n_genes_model=alignment.n_vocabulary,
    )  # fmt: skip
    uns = merged_uns(adata, keys.uns, {"labels": list(model.labels)} | made)
    result = adata
    if copy:
        result = adata.to_memory() if adata.isbacked else adata.copy()
    for column, values in new.items():
        result.obs[column] = values
    if found.label_sets is not None:
        result.obsm[keys.label_set] = found.label_sets
    if found.probability is not None:
        result.obsm[keys.probability] = found.probability
    if found.embedding is not None:
        result.obsm[keys.embedding] = found.embedding
    result.uns[keys.uns] = uns
    colors = next((e["label_colors"] for e in model.history[::-1] if e.get("label_colors")), None)
    if colors is not None:
        result.uns[keys.label_colors] = list(colors)
    return result if copy else None


def _allowed(model: Model, labels: Sequence[str] | None) -> Any:
    """Return bool (c,), the labels that may be given."""
    if labels is None:
        return np.ones(len(model.labels), dtype=bool)
    _checks.check_labels(labels, model.labels)
    return np.isin(np.asarray(model.labels, dtype=object), list(labels))
