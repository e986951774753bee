from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from tqdm.auto import tqdm

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._settings import settings
from sctabnet._value_kind import ValueKind
from sctabnet.model.model import Model
from sctabnet.tl._open_query import open_query
from sctabnet.tl._params import params
from sctabnet.uncertainty.conformal_sets import conformal_sets
from sctabnet.uncertainty.unknown_threshold import unknown_threshold


def transfer_labels(
    adata: AnnData,
    model: Model,
    *,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    false_positive_rate: float = 0.05,
    coverage: float | None = None,
    probability: bool = False,
    key_added: str = "sctabnet",
    overwrite: bool = False,
    copy: bool = False,
) -> AnnData | None:
    """Name the cell type of every cell, with a calibrated confidence.

    Parameters
    ----------
    adata
        Cells to annotate; in memory or backed. Their matrix is not changed.
    model
        Model with a label head, from :func:`sctabnet.finetune`.
    layer
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``.
    value_kind
        ``"counts"`` or ``"log1p"``, where you know it and the values leave doubt.
    false_positive_rate
        Share of cells of known types that may be flagged as unknown.
    coverage
        Write label sets that hold the true label with this probability, or None.
    probability
        Write the probabilities of all labels too.
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
    ``adata.obs[key_added + "_unknown"]``
        bool, confidence below what 5 % of known cells fall below.
    ``adata.obsm[key_added + "_label_set"]``, ``adata.obs[key_added + "_label_set"]``
        bool (cells, labels) and the labels joined by ``|``, with ``coverage``.
    ``adata.obsm[key_added + "_probability"]``
        float32 (cells, labels), with ``probability=True``.
    ``adata.uns[key_added]``
        ``labels`` and ``params``.

    Raises
    ------
    ValueError, KeyError
        If the data do not fit the model, the model has no labels, or a column exists already;
        ``adata`` is unchanged then.
    """
    keys = Keys(key_added)
    _checks.check_has_labels(model.labels)
    columns = [keys.label, keys.confidence, keys.unknown]
    columns += [] if coverage is None else [keys.label_set]
    _checks.check_slots_free(adata.obs.columns, columns, slot="obs", overwrite=overwrite)
    head, calibration = model.network.labels, model.calibration
    assert head is not None and calibration is not None, "a model with labels is calibrated"
    held_out = calibration.probability(float(head.log_temperature))
    threshold = unknown_threshold(held_out, false_positive_rate=false_positive_rate)
    corpus = open_query(adata, model, layer=layer, value_kind=value_kind)
    probabilities = np.zeros((corpus.n_cells, len(model.labels)), dtype=np.float32)
    minibatches = corpus.minibatches(minibatch_size=settings.minibatch_size)
    with tqdm(
        total=corpus.n_cells, unit="cell", desc="annotate", disable=not settings.progress_bar
    ) as bar:
        for minibatch, prediction in model.predict(minibatches):
            rows = minibatch.row_ids.cpu().numpy()
            assert prediction.logits is not None, "a model with labels gives logits"
            probabilities[rows] = head.probability(prediction.logits).cpu().numpy()
            bar.update(len(rows))
    codes, confidence = probabilities.argmax(1), probabilities.max(1)
    labels = list(model.labels)
    new = pd.DataFrame(index=adata.obs_names)
    new[keys.label] = pd.Categorical.from_codes(codes, categories=labels)
    new[keys.confidence] = confidence
    new[keys.unknown] = confidence < threshold
    sets = None
    if coverage is not None:
        sets = conformal_sets(
            probabilities.astype(np.float64), held_out, calibration.labels.numpy(),
            coverage=coverage,
        )  # fmt: skip
        names = np.asarray(labels, dtype=object)
        new[keys.label_set] = ["|".join(names[row]) for row in sets]
    result = adata.copy() if copy else adata
    for column in new:
        result.obs[column] = new[column].array
    if sets is not None:
        result.obsm[keys.label_set] = sets
    if probability:
        result.obsm[keys.probability] = probabilities
    made = params(
        "transfer_labels", model, layer=layer, coverage=coverage,
        false_positive_rate=false_positive_rate, unknown_threshold=threshold,
    )  # fmt: skip
    result.uns[keys.uns] = result.uns.get(keys.uns, {}) | {"labels": labels} | made
    return result if copy else None
