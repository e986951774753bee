from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._value_kind import ValueKind
from sctabnet.data.corpus import Corpus
from sctabnet.genes.align import align
from sctabnet.importance.certificate import certificate
from sctabnet.importance.choose_readout import READOUTS, choose_readout
from sctabnet.importance.equivalent_genes import equivalent_genes
from sctabnet.importance.matrix_of import matrix_of
from sctabnet.importance.permutation_readout import permutation_readout
from sctabnet.importance.sample_rows import sample_rows
from sctabnet.importance.strata_of import strata_of
from sctabnet.importance.streamed_importance import streamed_importance
from sctabnet.model.model import Model
from sctabnet.tl._check_applicable import check_applicable
from sctabnet.tl._open_query import open_query
from sctabnet.tl._params import params
from sctabnet.tl._write_importance import write_importance

METHODS = (*READOUTS, "permutation")
MIN_CELLS = 10
N_TESTED = 128
N_COMPARED = 1000
N_CERTIFIED = 3000


def gene_importance(
    adata: AnnData,
    model: Model,
    groupby: str | None = None,
    *,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    method: Literal["contribution", "integrated_gradients", "mask", "permutation"] | None = None,
    certify: bool = False,
    attention: bool = False,
    key_added: str = "sctabnet",
    copy: bool = False,
) -> AnnData | None:
    """Rank genes by what they add to the model's answer, globally and per group.

    Parameters
    ----------
    adata
        Cells; in memory or backed.
    model
        Trained model.
    groupby
        Column of ``.obs`` with groups of cells; None groups by the predicted label. A group with
        the name of a label is explained for that label, any other for each cell's predicted one.
    layer
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``.
    value_kind
        ``"counts"`` or ``"log1p"``, where you know it and the values leave doubt.
    method
        ``"contribution"``: difference of the value to the gene's mean, times the derivative of the
        label's contrast (its logit less the mean of the others) with the masks held; the wide path
        is included, and in it what a gene says by not being expressed.
        ``"integrated_gradients"``: the same along the way from the means to the cell, through the
        masks. ``"permutation"``: what is lost from the contrast if the gene's values
        are permuted across cells of a batch, one gene at a time, on at most 512 cells. ``"mask"``:
        mean attention, which speaks of the TabNet term only. None takes the one of contribution,
        integrated gradients and mask after whose deletions in some of the cells the model is least
        sure of its answers.
    certify
        Add q-values: does what the model reads from a gene speak of the labels? It takes cells that
        it was not trained on, and their known labels as ``groupby``. The false discovery rate holds
        for genes that are unrelated to labels *and* to other genes.
    attention
        Write every cell's attention as CSR layers, aggregate and per step.
    key_added
        Prefix of the slots.
    copy
        Return a copy instead of writing into ``adata``.

    Returns
    -------
    Returns ``None`` if ``copy=False``, else the AnnData. Sets the following fields:

    ``adata.var[key_added + "_importance"]``, ``..."_importance_se"``
        float32, mean over groups of the mean over cells, and its standard error over cells; NaN
        for genes that the model does not know.
    ``adata.var[key_added + "_importance_group"]``
        str, the most important of the genes that correlate with the gene by 0.6 or more: genes of
        equal standing, of which a ranking names one before the other by accident.
    ``adata.var[key_added + "_importance_qvalue"]``
        float64, with ``certify=True``: smallest of 0.01, 0.02, 0.05, 0.1, 0.2 at which the gene is
        selected, else 1; NaN for genes that were not tested.
    ``adata.varm[key_added + "_importance"]``, ``..."_importance_se"``
        float32 (genes, groups), mean over the group's cells and its standard error; NaN for genes
        that the model does not know and for groups of fewer than 10 cells.
    ``adata.uns[key_added + "_importance"]``
        ``rank_genes_groups`` layout (names, scores, logfoldchanges, pvals, pvals_adj; p-values are
        NaN, no test was made) for ``sc.get.rank_genes_groups_df`` and scanpy's plots, with
        ``groups``, the columns of ``varm``, ``params`` with the method, and, with ``method=None``,
        ``deletion``: the curves that chose it.
    ``adata.obs[key_added + "_n_genes_attended"]``, ``..."_attention_entropy"``, ``..."_top_genes"``
        int32 genes with attention, float32 entropy (nats) of the aggregate mask, and the five
        genes that contribute most, as text.
    ``adata.obs[key_added + "_importance_groups"]``
        The groups for scanpy's plots, where their column is missing or has empty categories.
    ``adata.layers[key_added + "_attention"]``, ``..."_attention_step1"`` ...
        float32 CSR, with ``attention=True``.

    Raises
    ------
    ValueError, KeyError
        If the data do not fit the model or ``groupby`` cannot be used; ``adata`` is unchanged then.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata, model = sct.datasets.example()
    >>> sct.tl.gene_importance(adata, model, groupby="cell_type", method="contribution")
    >>> adata.varm["sctabnet_importance"].shape  # genes, groups
    (120, 3)
    """
    keys = Keys(key_added)
    check_applicable(adata, model, copy=copy)
    if method is not None:
        _checks.check_choice(method, METHODS, argument="method")
    if method == "permutation" or certify:
        _checks.check_has_labels(model.labels)
    groups = None if groupby is None else _groups(adata, groupby)
    corpus = open_query(adata, model, layer=layer, value_kind=value_kind)
    if certify:
        known = [] if groups is None else [str(name) for name in groups.categories]
        seen = any(entry.get("data") == corpus.fingerprint for entry in model.history)
        _checks.check_certifiable(known, model.labels, seen=seen)
    if groups is None and not model.labels:
        groups = pd.Categorical(["all"] * adata.n_obs)
    names = list(model.labels) if groups is None else [str(name) for name in groups.categories]
    label_of = {label: code for code, label in enumerate(model.labels)}
    label_of_group = np.array([label_of.get(name, -1) for name in names] + [-1], dtype=np.int64)
    given = None if groups is None else groups.codes.astype(np.int64)

    deletion: dict[str, Any] = {}
    if method is None:
        method = "contribution"
        if model.labels and adata.n_obs >= 4 * MIN_CELLS:
            deletion = _test_readouts(model, corpus)
            method = deletion.pop("readout")

    lut = align(adata.var_names, model.vocabulary).lut
    streamed = streamed_importance(
        model,
        corpus,
        "contribution" if method == "permutation" else method,
        groups=given,
        label_of_group=label_of_group,
        columns=lut if attention else None,
    )
    kept = streamed.sums.n_cells >= MIN_CELLS
    left_out = [names[i] for i in np.flatnonzero(~kept & (streamed.sums.n_cells > 0))]
    if left_out:  # a label that no cell has is missed by nobody
        warnings.warn(
            f"Groups of fewer than {MIN_CELLS} cells are not ranked: {left_out[:10]}"
            f"{f' and {len(left_out) - 10} more' if len(left_out) > 10 else ''}.",
            stacklevel=2,
        )
    if method == "permutation":
        wanted = label_of_group[streamed.groups]
        wanted = np.where(wanted < 0, streamed.predicted, wanted)
        inside = np.where(np.append(kept, False)[streamed.groups], streamed.groups, -1)
        streamed.sums = permutation_readout(model, corpus, inside, wanted, len(names))
    some = matrix_of(corpus.take(_spread(adata.n_obs, N_COMPARED)))
    leader = equivalent_genes(some, streamed.sums.overall(kept)[0])
    qvalue = None
    if certify and given is not None:
        qvalue = _certify(model, corpus, label_of_group[given])
    made = params("gene_importance", model, layer=layer, method=method)
    made["params"]["use_raw"] = layer == "raw"

    result = adata if not copy else adata.to_memory() if adata.isbacked else adata.copy()
    write_importance(
        result,
        keys,
        model,
        names=names,
        kept=kept,
        streamed=streamed,
        lut=lut,
        leader=leader,
        qvalue=qvalue,
        groupby=groupby or keys.label,
        made=made | ({"deletion": deletion} if deletion else {}),
    )
    return result if copy else None


def _groups(adata: AnnData, groupby: str) -> pd.Categorical:
    _checks.check_obs_key(adata.obs.columns, groupby, argument="groupby")
    column = adata.obs[groupby]
    _checks.check_groups(column, groupby)
    return pd.Categorical(column).remove_unused_categories()


def _spread(n_cells: int, most: int) -> NDArray[np.int64]:
    """Return some rows, ascending, drawn with a fixed seed."""
    return np.sort(np.random.default_rng(0).permutation(n_cells)[:most])


def _test_readouts(model: Model, corpus: Corpus) -> dict[str, Any]:
    rows = np.random.default_rng(0).permutation(corpus.n_cells)[: 2 * N_TESTED]
    half = len(rows) // 2
    return choose_readout(
        model, corpus.take(np.sort(rows[:half])), corpus.take(np.sort(rows[half:]))
    )


def _certify(model: Model, corpus: Corpus, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = np.flatnonzero(labels >= 0)
    if len(rows) > N_CERTIFIED:
        rows = sample_rows(labels, N_CERTIFIED)
    cells = corpus.take(rows)
    return certificate(model, cells, labels[rows], strata_of(cells))
