"""Read a perturbation screen: conditions, contexts and batches of cells, and their sums."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd

from sctabnet import _checks
from sctabnet._value_kind import ValueKind
from sctabnet.data.conditions import Condition, parse_conditions
from sctabnet.data.corpus import Corpus
from sctabnet.data.open_sources import Source
from sctabnet.genes.gene_vocabulary import GeneVocabulary
from sctabnet.model.model import Model
from sctabnet.train.batch_keys import batch_keys
from sctabnet.train.perturbation_sums import PerturbationSums


def read_perturbations(
    source: Source,
    *,
    perturbation_key: str | Sequence[str],
    control: str,
    dose_key: str | None,
    context_keys: Sequence[str],
    batch_key: str | Sequence[str] | None,
    layer: str | None,
    value_kind: ValueKind | None,
    init: Model | None = None,
    seed: int = 0,
) -> tuple[Corpus, PerturbationSums, dict[str, Any]]:
    """Return the cells, their sums by condition, and how they were read, as JSON types.

    See :func:`~sctabnet.train.finetune_perturbation.finetune_perturbation` for the parameters.
    The genes are those of the data and of ``init``.

    Raises
    ------
    ValueError, KeyError
        If a column is missing, or the screen has no controls or nothing else.
    """
    keys = _checks.checked_names(perturbation_key, argument="perturbation_key", least=1)
    context_keys = _checks.checked_names(context_keys, argument="context_keys")
    corpus = Corpus.open(source, layer=layer, value_kind=value_kind)
    if init is not None and init.vocabulary != corpus.vocabulary:
        vocabulary = GeneVocabulary.union([init.vocabulary.ids, corpus.vocabulary.ids])
        corpus = Corpus.open(source, layer=layer, vocabulary=vocabulary, value_kind=value_kind)
    for alignment in corpus.alignments:
        _checks.check_unique_genes(alignment.duplicated)
    control = str(control)
    conditions = _conditions(corpus, keys, control, dose_key)
    contexts = _joined(corpus, context_keys)
    of_batch = batch_keys(batch_key)
    batches = _joined(corpus, of_batch)
    sums = PerturbationSums.of(corpus, conditions, contexts, batches, seed=seed)
    about = {
        "perturbation_key": keys,
        "control": control,
        "dose_key": dose_key,
        "context_keys": context_keys,
        "batch_key": of_batch[0] if len(of_batch) == 1 else of_batch or None,
        "value_kind": corpus.value_kind,
    }
    return corpus, sums, about


def _conditions(
    corpus: Corpus, keys: Sequence[str], control: str, dose_key: str | None
) -> list[Condition]:
    columns = [corpus.obs(key).astype("object") for key in keys]
    texts: list[Any] = [_text(column) for column in columns]
    names = texts[0] if len(keys) == 1 else [list(slots) for slots in zip(*texts, strict=True)]
    doses = None if dose_key is None else corpus.obs(dose_key).astype(str).tolist()
    found = parse_conditions(names, control=control, doses=doses)
    named = {part.strip() for text in texts for name in set(text) for part in name.split("+")}
    known = {"control", "ctrl", *map(str.lower, named)}
    if control.lower() not in known and any(condition.is_control for condition in found):
        warnings.warn(
            f"No cell has the name of the control, {control!r}, in {keys}. Found "
            f"{sorted(named - {''})[:10]}. Cells named 'control' or 'ctrl', or without a name, are "
            "taken.",
            UserWarning,
            stacklevel=5,
        )
    return found


def _text(column: pd.Series) -> list[str]:
    return column.where(column.notna(), "").astype(str).tolist()


def _joined(corpus: Corpus, keys: Sequence[str]) -> list[str]:
    """Return the values of several columns as one text per cell."""
    if not keys:
        return ["all"] * corpus.n_cells
    columns = [corpus.obs(key).astype(str) for key in keys]
    return ["|".join(row) for row in zip(*columns, strict=True)]
