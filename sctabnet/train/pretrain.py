"""Masked pretraining of a model on cells without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sctabnet import _checks
from sctabnet._value_kind import ValueKind
from sctabnet.data.corpus import Corpus
from sctabnet.data.open_sources import Source
from sctabnet.model.model import Model
from sctabnet.train.accepted_input import accepted_input
from sctabnet.train.choices import Choices
from sctabnet.train.fit import fit
from sctabnet.train.gene_statistics import gene_statistics
from sctabnet.train.mean_attention import mean_attention
from sctabnet.train.start_embeddings import start_embeddings


def pretrain(
    source: Source,
    *,
    out: str | Path | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    seed: int = 0,
    **config: Any,
) -> Model:
    """Pretrain an encoder by masked gene reconstruction.

    Genes of a cell are hidden and predicted from the others; only genes that the cell's source
    measured are ever hidden or scored. Cells need no labels, and files may have different genes.

    Parameters
    ----------
    source
        An AnnData, a path, a list of paths, or a prepared corpus; raw counts or log1p values.
    out
        Folder to write the model to, or None.
    batch_key
        Column of ``.obs`` with the experimental batch, or None.
    layer
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``.
    value_kind
        ``"counts"`` or ``"log1p"``, where you know it and the values leave doubt.
    seed
        Same seed, same data, same device: same bits.
    **config
        Options by name (``n_d=64``, ``max_epochs=20``, ``mask_ratio=0.5``), see
        :class:`~sctabnet.train.choices.Choices`.

    Returns
    -------
    Model without a label head; start :func:`~sctabnet.train.finetune.finetune` from it with
    ``init=``.

    Raises
    ------
    ValueError, KeyError
        If the data or an option cannot be used; nothing is written then.
    """
    if out is not None:
        _checks.check_new_folder(out)
    choices = Choices.given(**config)
    covariate_keys = () if batch_key is None else (batch_key,)
    corpus = Corpus.open(source, layer=layer, covariate_keys=covariate_keys, value_kind=value_kind)
    for alignment in corpus.alignments:
        _checks.check_unique_genes(alignment.duplicated)
    _checks.check_cells_to_train_on(corpus.n_cells)
    choices.model.seed = seed
    choices.model.accepts = accepted_input(corpus)
    rng = np.random.default_rng(seed)
    order = rng.permutation(corpus.n_cells)
    held_out = max(1, round(choices.trainer.validation_fraction * corpus.n_cells))
    validation, train = np.sort(order[:held_out]), np.sort(order[held_out:])
    model = Model(choices.model, corpus.vocabulary, covariates=corpus.covariate_levels)
    encoder = model.network.encoder
    mean, std = gene_statistics(corpus.minibatches(train), len(corpus.vocabulary))
    encoder.mean.copy_(mean)
    encoder.std.copy_(std)
    start_embeddings(model.network, corpus, train, random_state=seed)
    model.network.reconstruct.decoder.start_at(mean)
    result = fit(
        model.network,
        corpus,
        task="reconstruct",
        train_rows=train,
        validation_rows=validation,
        config=choices.trainer,
        seed=seed,
    )
    encoder.attention.copy_(mean_attention(model, corpus, validation))
    model.history.append(
        {"task": "pretrain", "n_cells": corpus.n_cells, "data": corpus.fingerprint, **result}
    )
    if out is not None:
        model.save(out)
    return model
