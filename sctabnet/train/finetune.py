"""Learn labels, from scratch or from a pretrained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet._value_kind import ValueKind
from sctabnet.data.corpus import Corpus
from sctabnet.data.open_sources import Source
from sctabnet.genes.gene_vocabulary import GeneVocabulary
from sctabnet.model.copy_weights import copy_weights
from sctabnet.model.model import Model
from sctabnet.model.model_config import ModelConfig
from sctabnet.train.accepted_input import accepted_input
from sctabnet.train.batch_keys import batch_keys
from sctabnet.train.calibrate import calibrate
from sctabnet.train.choices import Choices
from sctabnet.train.data_record import data_record
from sctabnet.train.finetune_perturbation import finetune_perturbation
from sctabnet.train.fit_integration import fit_integration
from sctabnet.train.gene_factors import GeneFactors
from sctabnet.train.gene_statistics import gene_statistics
from sctabnet.train.label_weights import label_weights
from sctabnet.train.mean_attention import mean_attention
from sctabnet.train.measure_distances import measure_distances
from sctabnet.train.scorable_folds import scorable_folds
from sctabnet.train.start_embeddings import start_embeddings
from sctabnet.train.wide_path import WidePath


def finetune(  # noqa: PLR0913 (the public contract)
    source: Source,
    *,
    init: Model | str | Path | None = None,
    labels_key: str | None = None,
    batch_key: str | Sequence[str] | None = None,
    perturbation_key: str | Sequence[str] | None = None,
    control: str | None = None,
    dose_key: str | None = None,
    context_keys: Sequence[str] = (),
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    **config: Any,
) -> Model:
    """Train a model to name cell types, or to predict perturbations.

    With ``perturbation_key`` it does what
    :func:`~sctabnet.train.finetune_perturbation.finetune_perturbation` describes; what follows is
    said of ``labels_key``.

    The wide path, a logistic regression over genes, is fitted to convergence first; the TabNet
    term is trained beside it and enters the answer only if held-out cells are predicted better
    with it. Confidences are calibrated on cells that were held out.

    Parameters
    ----------
    source
        An AnnData, a path, a list of paths, or a prepared corpus; raw counts or log1p values.
    init
        Pretrained model, or the folder of one. Its genes are kept; genes that only the new data
        have are added.
    labels_key
        Column of ``.obs`` with the labels. Missing values are unlabelled cells.
    batch_key
        Column of ``.obs`` with the experimental batch, or several: all are embedded as categorical
        covariates. Where the first has two levels or more, whole batches of it are held out to
        choose the penalty and the epoch, and the embeddings that :func:`sctabnet.tl.embed` writes
        are corrected for it, with cells moved towards their label.
    perturbation_key, control, dose_key, context_keys
        Columns of ``.obs`` with the perturbation, its dose and the context, and the name of
        unperturbed cells (``"control"`` if not given). Not together with ``labels_key``.
    layer
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``.
    value_kind
        ``"counts"`` or ``"log1p"``, where you know it and the values leave doubt.
    out
        Folder to write the model to, or None.
    seed
        Same seed, same data, same device: same bits.
    **config
        Options by name, see :class:`~sctabnet.train.choices.Choices`.

    Returns
    -------
    Model with a label head.

    Raises
    ------
    ValueError, KeyError
        If the data or an option cannot be used; nothing is written then.

    Examples
    --------
    >>> import sctabnet as sct
    >>> cells = sct.datasets.simulate_atlas(200, 60, n_types=2)
    >>> model = sct.finetune(cells, labels_key="cell_type", deep=False)  # logistic regression
    >>> model.labels
    ('type_0', 'type_1')
    """
    if out is not None:
        _checks.check_new_folder(out)
    start = Model.load(init) if isinstance(init, str | Path) else init
    if start is not None:
        _checks.check_kind(start, Model, argument="init", advice="Pass a model, or its folder.")
    if perturbation_key is not None and labels_key is None:
        return finetune_perturbation(
            source,
            init=start,
            perturbation_key=perturbation_key,
            control="control" if control is None else control,
            dose_key=dose_key,
            context_keys=context_keys,
            batch_key=batch_key,
            layer=layer,
            value_kind=value_kind,
            out=out,
            seed=seed,
            **config,
        )
    if labels_key is None or perturbation_key is not None:
        given = "neither" if labels_key is None else "both"
        msg = (
            f"One of labels_key and perturbation_key is needed. Found {given}. Name the column of "
            ".obs with the labels, or the one with the perturbations."
        )
        raise InputError(msg)
    if dose_key is not None or control is not None or context_keys:
        raise InputError(
            "control, dose_key and context_keys describe perturbations. Found labels_key="
            f"{labels_key!r} beside them. Leave them out, or pass perturbation_key instead."
        )
    choices = Choices.given(_start(start), **config, seed=seed)
    # a label head's gate is one number, which cannot be split
    _checks.check_choice(choices.trainer.strategy, ("ddp",), argument="strategy of finetune")
    seed = choices.model.seed
    keys = batch_keys(batch_key, labels_key)
    corpus = Corpus.open(
        source,
        layer=layer,
        labels_key=labels_key,
        covariate_keys=keys,
        value_kind=value_kind,
    )
    if start is not None and start.vocabulary != corpus.vocabulary:
        shared = len(set(start.vocabulary.ids) & set(corpus.vocabulary.ids))
        if shared < min(_checks.MIN_SHARED_GENES, len(start.vocabulary)):
            _checks.check_shared_genes(
                n_shared=shared,
                n_model=len(start.vocabulary),
                query=corpus.vocabulary.ids,
                model=start.vocabulary.ids,
            )
        both = GeneVocabulary.union([start.vocabulary.ids, corpus.vocabulary.ids])
        corpus = Corpus.open(
            source,
            layer=layer,
            labels_key=labels_key,
            covariate_keys=keys,
            value_kind=value_kind,
            vocabulary=both,
        )
    for alignment in corpus.alignments:
        _checks.check_unique_genes(alignment.duplicated)
    _checks.check_classes(corpus.labels, labels_key)
    choices.model.accepts = accepted_input(corpus)
    model = Model(
        choices.model,
        corpus.vocabulary,
        labels=corpus.labels,
        covariates=corpus.covariate_levels,
        history=start.history if start is not None else (),
    )
    network = model.network
    labels = corpus.label_codes
    labelled = np.flatnonzero(labels >= 0)
    groups = corpus.covariate_codes[:, 0] if keys else None
    train, validation = _hold_out(labelled, labels, groups, choices, seed)
    mean, std = gene_statistics(corpus.minibatches(train), len(corpus.vocabulary))
    measured = torch.from_numpy(corpus.measured.any(0))
    network.encoder.mean.copy_(mean)
    network.encoder.std.copy_(std)
    prior = None
    if start is None:
        start_embeddings(network, corpus, train, random_state=seed)
    else:
        copy_weights(start, model)
        prior = GeneFactors.of_pretraining(network)
        # the wide path is centred on the labelled cells; genes they lack keep the old centre
        network.encoder.mean[measured] = mean[measured]
        network.encoder.std[measured] = std[measured]
    head = choices.model.labels
    balanced = head.class_weight == "balanced"
    wide, logits = None, None
    if head.wide:
        # all labelled cells choose penalty and axes; the held-out ones are then kept from the
        # weights, up to the tolerance of a solver that starts where they were seen
        wide = WidePath(corpus, labelled, groups, network.encoder.mean, prior, balanced=balanced)
        wide.refit(corpus, train)
        wide.put_into(network)
        logits = wide.training_logits(network, corpus, train)
    result: dict[str, Any] = {}
    if head.deep:
        # Lightning takes seconds to import, and a plain logistic regression does without
        from sctabnet.train.fit import fit

        weights_c = None
        if balanced:
            found = label_weights(labels[train], len(corpus.labels))
            weights_c = torch.from_numpy(found).float()
        result = fit(
            network,
            corpus,
            task="labels",
            train_rows=train,
            validation_rows=validation,
            config=choices.trainer,
            seed=seed,
            wide_out_of_fold=logits,
            class_weights=weights_c,
        )
    other_batches = groups is not None and _apart(groups, labels, train, validation)
    result |= calibrate(model, corpus, validation, wide, other_batches=other_batches)
    measure_distances(model, corpus, train, validation, random_state=seed)
    network.encoder.attention.copy_(mean_attention(model, corpus, validation))
    if wide is not None:
        wide.refit(corpus, labelled)
        wide.put_into(network)
        result |= {"ridge_c": wide.c}
    fit_integration(model, corpus, random_state=seed)
    model.history.append(
        {
            "task": "labels",
            "n_cells": len(labelled),
            **data_record(corpus),
            "labels_key": labels_key,
            "batch_key": keys[0] if len(keys) == 1 else keys or None,
            "layer": layer,
            **result,
        }
    )
    if out is not None:
        model.save(out)
    return model


def _apart(
    groups: NDArray[np.int64],
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
) -> bool:
    """Return whether no label of a held-out batch is trained on in that batch."""
    pairs = groups * (labels.max() + 1) + labels
    return not np.isin(pairs[validation], pairs[train]).any()


def _start(model: Model | None) -> Choices | None:
    """Start from the options of the model that is fine-tuned: its sizes must stay."""
    if model is None:
        return None
    return Choices(model=ModelConfig.from_dict(model.config.to_dict()))


def _hold_out(
    labelled: NDArray[np.int64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    choices: Choices,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return training and validation rows; whole batches are held out where there are several."""
    n_folds = max(2, round(1 / choices.trainer.validation_fraction))
    inner = None if groups is None else groups[labelled]
    folds = scorable_folds(labels[labelled], inner, n_folds=n_folds, random_state=seed)
    _checks.check_validation_cells(folds)
    validation = labelled[folds[0]]
    return np.setdiff1d(labelled, validation), validation
