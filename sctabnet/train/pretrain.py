"""Masked pretraining of a model on cells without labels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet._value_kind import ValueKind
from sctabnet.data.corpus import Corpus
from sctabnet.data.open_sources import Source
from sctabnet.model.model import Model
from sctabnet.train.accepted_input import accepted_input
from sctabnet.train.batch_keys import batch_keys
from sctabnet.train.choices import Choices
from sctabnet.train.data_record import data_record
from sctabnet.train.fit_integration import fit_integration
from sctabnet.train.gene_factors import GeneFactors
from sctabnet.train.gene_statistics import gene_statistics
from sctabnet.train.held_out_cells import held_out_cells
from sctabnet.train.is_first_process import is_first_process
from sctabnet.train.mean_attention import mean_attention
from sctabnet.train.run_folder import RunFolder
from sctabnet.train.source_names import source_names
from sctabnet.train.start_embeddings import start_embeddings

if TYPE_CHECKING:
    from sctabnet.train.run_record import RunRecord


def pretrain(
    source: Source,
    *,
    out: str | Path | None = None,
    run: str | Path | None = None,
    resume: bool = False,
    batch_key: str | Sequence[str] | None = None,
    donor_key: str | None = None,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    seed: int = 0,
    logger: Literal["csv", "wandb"] = "csv",
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
    run
        Folder of the job, or None: recipe, versions, metrics, checkpoints and the model, see
        :class:`~sctabnet.train.run_folder.RunFolder`.
    resume
        Go on with the interrupted job in ``run``, to the same bits (one CPU process) as if it had
        not been interrupted. The other arguments must be those that it was started with.
    batch_key
        Column of ``.obs`` with the experimental batch, or several, or None: all are embedded as
        categorical covariates. The embeddings that :func:`sctabnet.tl.embed` writes are corrected
        for the first.
    donor_key
        Column of ``.obs`` with the donor: whole donors are held out for validation. None holds
        single cells out.
    layer
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``.
    value_kind
        ``"counts"`` or ``"log1p"``, where you know it and the values leave doubt.
    seed
        Same seed, same data, same device: same bits.
    logger
        ``"wandb"`` logs to Weights & Biases too, beside ``metrics.csv``; needs ``run``.
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
        If the data or an option cannot be used, or the job in ``run`` cannot go on; nothing is
        written then.
    RunInterrupted
        If a job with a ``run`` folder got SIGTERM or Ctrl-C: it saved its state and can be resumed.

    Examples
    --------
    >>> import sctabnet as sct
    >>> cells = sct.datasets.simulate_atlas(100, 60, n_types=2)
    >>> pretrained = sct.pretrain(cells, batch_key="batch", n_d=8, n_a=8, max_epochs=1)
    >>> len(pretrained.vocabulary), pretrained.labels
    (60, ())
    """
    if out is not None and is_first_process():
        _checks.check_new_folder(out)
    choices = Choices.given(**config, seed=seed)
    _checks.check_choice(logger, ("csv", "wandb"), argument="logger")
    keys = batch_keys(batch_key)
    options: dict[str, Any] = {"batch_key": keys[0] if len(keys) == 1 else keys or None}
    options |= {"donor_key": donor_key, "layer": layer}
    options |= {"value_kind": value_kind, "seed": choices.model.seed, "logger": logger}
    if run is None:
        if resume or logger != "csv":
            msg = "resume and logger need the folder of a run. Found run=None. Pass run=FOLDER."
            raise InputError(msg)
        model = _train(source, choices, options, None)
    else:
        folder = RunFolder(run)
        recipe: dict[str, Any] = {"data": source_names(source), **options}
        recipe |= {"model": choices.model.to_dict(), "trainer": asdict(choices.trainer)}
        folder.check(recipe, resume=resume)
        if resume and folder.model.exists():
            model = Model.load(folder.model)
        else:
            model = _train(source, choices, options, _Job(folder, recipe, resume))
    if out is not None and is_first_process():
        model.save(out)
    return model


class _Job(NamedTuple):
    folder: RunFolder
    recipe: dict[str, Any]
    resume: bool


def _train(source: Source, choices: Choices, options: dict[str, Any], job: _Job | None) -> Model:
    """Open the data, make or load the model to start from, and train it."""
    # with Lightning, which takes seconds to import: bad input is refused before
    from sctabnet.train.fit import fit

    keys, donor_key = batch_keys(options["batch_key"]), options["donor_key"]
    corpus = Corpus.open(
        source,
        layer=options["layer"],
        covariate_keys=keys,
        value_kind=options["value_kind"],
    )
    for alignment in corpus.alignments:
        _checks.check_unique_genes(alignment.duplicated)
    _checks.check_cells_to_train_on(corpus.n_cells)
    train, validation = held_out_cells(
        corpus.n_cells,
        None if donor_key is None else corpus.obs(donor_key),
        share=choices.trainer.validation_fraction,
        seed=options["seed"],
    )
    with nullcontext() if job is None else job.folder.locked():
        model, record = _start(corpus, train, choices, options, job)
        result = fit(
            model.network,
            corpus,
            task="reconstruct",
            train_rows=train,
            validation_rows=validation,
            config=choices.trainer,
            seed=options["seed"],
            record=record,
        )
        model.network.encoder.attention.copy_(mean_attention(model, corpus, validation))
        fit_integration(model, corpus, random_state=options["seed"])
        model.history.append(
            {"task": "pretrain", "n_cells": corpus.n_cells, **data_record(corpus), **result}
        )
        if job is not None and record is not None and is_first_process():
            model.save(job.folder.model)
            record.finish(job.folder, model)
    return model


def _start(
    corpus: Corpus,
    train: NDArray[np.int64],
    choices: Choices,
    options: dict[str, Any],
    job: _Job | None,
) -> tuple[Model, RunRecord | None]:
    """Return the model before its first step, from the run folder if it is there already."""
    if job is not None and job.resume and job.folder.start.exists():
        model = Model.load(job.folder.start)
        if model.vocabulary != corpus.vocabulary:
            raise InputError(
                f"The run in {job.folder.path} cannot go on with these data: their genes are not "
                f"those of the run. Found {len(corpus.vocabulary)} genes, the run has "
                f"{len(model.vocabulary)}. Give the data that it was started with."
            )
    else:
        seed = options["seed"]
        choices.model.accepts = accepted_input(corpus)
        model = Model(choices.model, corpus.vocabulary, covariates=corpus.covariate_levels)
        encoder = model.network.encoder
        mean, std = gene_statistics(corpus.minibatches(train), len(corpus.vocabulary))
        encoder.mean.copy_(mean)
        encoder.std.copy_(std)
        start_embeddings(model.network, corpus, train, random_state=seed)
        GeneFactors.of(corpus, train, mean, random_state=seed).put_into(model.network)
        model.network.reconstruct.decoder.start_at(mean)
        if job is not None and is_first_process():
            if not job.resume:
                job.folder.create(job.recipe)
            model.save(job.folder.start)
    if job is None:
        return model, None
    if is_first_process():
        job.folder.note_environment()
    from sctabnet.train.run_record import RunRecord

    return model, RunRecord(job.folder, model, logger=options["logger"])
