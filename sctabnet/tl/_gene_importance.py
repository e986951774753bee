from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._settings import settings
from sctabnet._value_kind import ValueKind
from sctabnet.genes.align import align
from sctabnet.importance.explain import Explanation, explain
from sctabnet.importance.grouped_importance import GroupedImportance
from sctabnet.importance.top_genes import top_genes
from sctabnet.model.model import Model
from sctabnet.tl._open_query import open_query
from sctabnet.tl._params import params
from sctabnet.tl._ranked_genes import ranked_genes

MIN_CELLS = 10


def gene_importance(
    adata: AnnData,
    model: Model,
    groupby: str | None = None,
    *,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    method: Literal["contribution", "mask"] = "contribution",
    attention: bool = False,
    key_added: str = "sctabnet",
    copy: bool = False,
) -> AnnData | None:
    """Rank genes by what they contribute to the model's answer, globally and per group.

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
        ``"contribution"``: value times gradient of the label's contrast, through the whole model,
        the wide path included. ``"mask"``: mean attention, which speaks of the TabNet term only.
    attention
        Write every cell's attention as CSR layers, aggregate and per step.
    key_added
        Prefix of the slots.
    copy
        Return a copy instead of writing into ``adata``.

    Returns
    -------
    Returns ``None`` if ``copy=False``, else the AnnData. Sets the following fields:

    ``adata.var[key_added + "_importance"]``
        float32, share of the summed absolute contributions; NaN for genes that the model does not
        know.
    ``adata.varm[key_added + "_importance"]``
        float32 (genes, groups), mean contribution; NaN for genes that the model does not know and
        for groups of fewer than 10 cells.
    ``adata.uns[key_added + "_importance"]``
        ``rank_genes_groups`` layout (names, scores, logfoldchanges, pvals, pvals_adj; p-values are
        NaN, no test was made) for ``sc.get.rank_genes_groups_df`` and scanpy's plots, with
        ``groups``, the columns of ``varm``, and ``params``.
    ``adata.obs[key_added + "_n_genes_attended"]``, ``..."_attention_entropy"``, ``..."_top_genes"``
        int32 genes with attention, float32 entropy (nats) of the aggregate mask, and the five
        genes that contribute most, as text.
    ``adata.layers[key_added + "_attention"]``, ``..."_attention_step1"`` ...
        float32 CSR, with ``attention=True``.

    Raises
    ------
    ValueError, KeyError
        If the data do not fit the model or ``groupby`` cannot be used; ``adata`` is unchanged then.
    """
    keys = Keys(key_added)
    _checks.check_choice(method, ("contribution", "mask"), argument="method")
    groups = None if groupby is None else _groups(adata, groupby)
    corpus = open_query(adata, model, layer=layer, value_kind=value_kind)
    if groups is None and not model.labels:
        groups = pd.Categorical(["all"] * adata.n_obs)
    names = list(model.labels) if groups is None else [str(name) for name in groups.categories]
    label_of = {label: code for code, label in enumerate(model.labels)}
    label_of_group = np.array([label_of.get(name, -1) for name in names] + [-1], dtype=np.int64)

    def targets(cells: NDArray[np.int64]) -> NDArray[np.int64]:
        assert groups is not None
        return label_of_group[groups.codes[cells]]

    n_genes = len(model.vocabulary)
    lut = align(adata.var_names, model.vocabulary).lut
    sums = GroupedImportance(n_genes, len(names))
    per_cell = pd.DataFrame(index=adata.obs_names)
    n_attended = np.zeros(adata.n_obs, dtype=np.int32)
    entropy = np.zeros(adata.n_obs, dtype=np.float32)
    top = np.full((adata.n_obs, 5), -1, dtype=np.int64)
    blocks: list[list[sp.csr_array]] = []
    minibatches = corpus.minibatches(minibatch_size=settings.minibatch_size)
    explanations = explain(
        model, minibatches, targets=None if groups is None else targets, method=method
    )
    with tqdm(
        total=adata.n_obs, unit="cell", desc="importance", disable=not settings.progress_bar
    ) as bar:
        for found in explanations:
            codes = found.predicted if groups is None else groups.codes[found.cells]
            sums.add(found.value, found.x, found.genes, found.rows, codes.astype(np.int64))
            n_attended[found.cells] = found.n_attended
            entropy[found.cells] = found.entropy
            top[found.cells] = top_genes(found.value, found.genes, found.rows, len(found.cells))
            if attention:
                blocks.append(_attention_blocks(found, lut, n_genes))
            bar.update(len(found.cells))

    few = sums.n_cells < MIN_CELLS
    if few.any():
        left_out = [name for name, small in zip(names, few, strict=True) if small]
        warnings.warn(
            f"Groups of fewer than {MIN_CELLS} cells are not ranked: {left_out}.", stacklevel=2
        )
    known = lut >= 0
    overall = np.full(adata.n_vars, np.nan, dtype=np.float32)
    overall[known] = sums.overall()[lut[known]]
    per_group = np.full((adata.n_vars, len(names)), np.nan, dtype=np.float32)
    per_group[known] = np.where(few, np.nan, sums.per_group())[lut[known]]
    kept = np.flatnonzero(~few)
    ranked = ranked_genes(
        sums.per_group()[lut[known]][:, kept],
        sums.log2_fold_change()[lut[known]][:, kept],
        np.asarray(adata.var_names, dtype=object)[known],
        [names[i] for i in kept],
    )
    gene_names = np.array([*model.vocabulary.ids, ""], dtype=object)
    per_cell[keys.n_genes_attended] = n_attended
    per_cell[keys.attention_entropy] = entropy
    per_cell[keys.top_genes] = [", ".join(name for name in gene_names[row] if name) for row in top]
    made = params("gene_importance", model, layer=layer, method=method)["params"]
    made |= {"groupby": groupby or keys.label, "reference": "rest", "use_raw": layer == "raw"}

    result = adata.copy() if copy else adata
    for column in per_cell:
        result.obs[column] = per_cell[column].array
    result.var[keys.importance] = overall
    result.varm[keys.importance] = per_group
    result.uns.pop(keys.importance, None)
    if len(kept):  # without a group there is nothing to rank: h5ad has no table without columns
        result.uns[keys.importance] = ranked | {"groups": names, "params": made}
    for step, layer_blocks in enumerate(zip(*blocks, strict=True)):
        name = keys.attention if step == 0 else keys.attention_step(step)
        result.layers[name] = sp.csr_matrix(sp.vstack(layer_blocks))
    return result if copy else None


def _groups(adata: AnnData, groupby: str) -> pd.Categorical:
    _checks.check_obs_key(adata.obs.columns, groupby, argument="groupby")
    column = adata.obs[groupby]
    _checks.check_groups(column, groupby)
    return pd.Categorical(column).remove_unused_categories()


def _attention_blocks(
    found: Explanation, lut: NDArray[np.int32], n_genes: int
) -> list[sp.csr_array]:
    """Return one (cells, columns of adata) block per mask, aggregate first."""
    column_of = np.full(n_genes, -1, dtype=np.int64)
    column_of[lut[lut >= 0]] = np.flatnonzero(lut >= 0)
    columns = column_of[found.genes]
    shape = (len(found.cells), len(lut))
    blocks = []
    for mask in found.masks.T:
        listed = (columns >= 0) & (mask > 0)
        block = sp.csr_array((mask[listed], (found.rows[listed], columns[listed])), shape=shape)
        block.sort_indices()
        blocks.append(block)
    return blocks
