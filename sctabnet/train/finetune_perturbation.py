"""Learn the effects of perturbations, from scratch or beside what a model already knows."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sctabnet._value_kind import ValueKind
from sctabnet.data.corpus import Corpus
from sctabnet.data.open_sources import Source
from sctabnet.heads.perturb import PerturbHead
from sctabnet.heads.perturb_table import PerturbTable
from sctabnet.model.copy_weights import copy_weights
from sctabnet.model.model import Model
from sctabnet.model.model_config import ModelConfig
from sctabnet.train.accepted_input import accepted_input
from sctabnet.train.choices import Choices
from sctabnet.train.data_record import data_record
from sctabnet.train.fit_integration import fit_integration
from sctabnet.train.gene_statistics import gene_statistics
from sctabnet.train.perturbation_embeddings import perturbation_embeddings
from sctabnet.train.perturbation_validation import perturbation_validation
from sctabnet.train.read_perturbations import read_perturbations


def finetune_perturbation(  # noqa: PLR0913 (the public contract)
    source: Source,
    *,
    perturbation_key: str | Sequence[str],
    init: Model | None = None,
    control: str = "control",
    dose_key: str | None = None,
    context_keys: Sequence[str] = (),
    batch_key: str | Sequence[str] | None = None,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    embeddings: Mapping[str, Any] | None = None,
    **config: Any,
) -> Model:
    """Train a model to predict expression after a perturbation.

    The head starts at the closed-form baseline that predicts left-out conditions best, and leaves
    it only where left-out conditions say so; see :class:`~sctabnet.heads.perturb.PerturbHead`.

    Parameters
    ----------
    source
        An AnnData, a path, a list of paths, or a prepared corpus. log1p values are used as they
        are; counts become log1p of counts per 10,000.
    perturbation_key
        Column of ``.obs`` with the condition of each cell, in any convention that
        :func:`~sctabnet.data.conditions.parse_conditions` reads; or one column per slot.
    init
        Pretrained model: its gene embeddings tell perturbed genes apart. Its labels stay where the
        data bring no genes that it does not know.
    control
        Name of the unperturbed cells, beside ``"ctrl"`` and ``"control"``.
    dose_key
        Column with doses, numbers or ``"1.0+0.5"``.
    context_keys
        Columns whose combination is the context, such as the cell type.
    batch_key
        Column with the experimental batch, or several whose combination it is: effects are taken
        against controls of the same batch.
    layer, value_kind, out, seed
        See :func:`~sctabnet.train.finetune.finetune`.
    embeddings
        Sources of vectors of entities by name, each a data frame with one row per entity or a
        mapping from entity to vector. They count as far as left-out entities say.
    **config
        Options by name, see :class:`~sctabnet.train.choices.Choices`.

    Returns
    -------
    Model with a perturbation head.

    Raises
    ------
    ValueError, KeyError
        If the data or an option cannot be used; nothing is written then.
    """
    start = None if init is None else Choices(model=ModelConfig.from_dict(init.config.to_dict()))
    choices = Choices.given(start, **config, seed=seed)
    seed = choices.model.seed
    corpus, sums, about = read_perturbations(
        source,
        perturbation_key=perturbation_key,
        control=control,
        dose_key=dose_key,
        context_keys=context_keys,
        batch_key=batch_key,
        layer=layer,
        value_kind=value_kind,
        init=init,
        seed=seed,
    )
    table = sums.table(embeddings=perturbation_embeddings(init, embeddings))
    model = _body(init, corpus, choices, seed)
    head, errors = _head(model, table, about, choices.model.perturb, seed)
    model.network.perturb = head.eval()
    model.history.append(
        {
            "task": "perturbation",
            "n_cells": corpus.n_cells,
            **data_record(corpus),
            **about,
            "n_conditions": len(table),
            "left_out_l2": errors,
            "rule": head.choices.rule if head.choices else {},
            "gate": head.choices.gate if head.choices else {},
            "residual": head.choices.residual if head.choices else {},
            "shares": head.choices.shares if head.choices else {},
        }
    )
    if out is not None:
        model.save(out)
    return model


def _body(init: Model | None, corpus: Corpus, choices: Choices, seed: int) -> Model:
    """Return the model that gets the head: a copy of the one to start from, where genes agree."""
    accepts = accepted_input(corpus)
    if init is not None and init.vocabulary == corpus.vocabulary:
        model = copy.deepcopy(init)
        model.config.perturb = choices.model.perturb
        model.config.accepts = "any" if "any" in (accepts, init.config.accepts) else "counts"
        return model
    choices.model.accepts = accepts
    history = () if init is None else init.history
    model = Model(choices.model, corpus.vocabulary, history=history)
    mean, std = gene_statistics(corpus.minibatches(), len(corpus.vocabulary))
    model.network.encoder.mean.copy_(mean)
    model.network.encoder.std.copy_(std)
    if init is not None:
        copy_weights(init, model)
    fit_integration(model, corpus, random_state=seed)
    return model


def _head(
    model: Model,
    table: PerturbTable,
    about: Mapping[str, Any],
    config: PerturbHead.Config,
    seed: int,
) -> tuple[PerturbHead, dict[str, dict[str, float]]]:
    rows = model.vocabulary.index(np.array(table.gene_ids, dtype=object))
    head = PerturbHead(table, rows.astype(np.int64), about)
    found = perturbation_validation(
        head.table, max_folds=config.max_folds, coverage=config.coverage, seed=seed
    )
    head.choices = found.choices
    head.gene_scale.copy_(torch.from_numpy(found.gene_scale))
    head.residual = found.residual
    return head, found.errors
