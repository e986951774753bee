from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from sctabnet._keys import Keys
from sctabnet.importance.streamed_importance import StreamedImportance
from sctabnet.model.model import Model
from sctabnet.tl._holds_groups import holds_groups
from sctabnet.tl._ranked_genes import ranked_genes


def write_importance(
    adata: AnnData,
    keys: Keys,
    model: Model,
    *,
    names: list[str],
    kept: NDArray[np.bool_],
    streamed: StreamedImportance,
    lut: NDArray[np.int32],
    leader: NDArray[np.int64],
    qvalue: NDArray[np.float64] | None,
    groupby: str,
    made: dict[str, Any],
) -> None:
    """Write a ranking into the slots that :func:`~sctabnet.tl.gene_importance` names.

    Parameters
    ----------
    adata
        Written into, after everything was computed.
    keys
        Names of the slots.
    model
        Whose genes are ranked.
    names, kept
        Names of the groups, and bool (groups,) those that have cells enough.
    streamed
        What explaining every cell added up to; its sums rank the genes.
    lut
        int32 (columns of adata,) gene of the vocabulary, -1 for genes that the model does not know.
    leader
        int64 (g,), gene that each gene is reported with.
    qvalue
        float64 (g,) or None.
    groupby
        Column that was grouped by.
    made
        For ``.uns``: ``params``, and what chose the readout.
    """
    sums, at = streamed.sums, lut[lut >= 0]
    var_names = np.asarray(adata.var_names, dtype=object)

    def per_gene(values: NDArray[Any], dtype: type = np.float32) -> NDArray[Any]:
        column = np.full((adata.n_vars, *values.shape[1:]), np.nan, dtype=dtype)
        column[lut >= 0] = values[at]
        return column

    known = [name for name, is_kept in zip(names, kept, strict=True) if is_kept]
    ranked = ranked_genes(
        sums.per_group()[at][:, kept],
        streamed.expression.log2_fold_change()[at][:, kept],
        var_names[lut >= 0],
        known,
    )
    everywhere, everywhere_se = sums.overall(kept)
    column_of = np.full(len(model.vocabulary), -1, dtype=np.int64)
    column_of[at] = np.flatnonzero(lut >= 0)
    leading = np.full(adata.n_vars, "", dtype=object)
    leading[lut >= 0] = var_names[column_of[leader[at]]]
    gene_names = np.array([*model.vocabulary.ids, ""], dtype=object)
    top = [", ".join(name for name in gene_names[row] if name) for row in streamed.top]
    drawn = pd.Categorical.from_codes(streamed.groups, names).remove_unused_categories()
    per_var = {keys.importance: per_gene(everywhere), keys.importance_se: per_gene(everywhere_se)}
    per_var[keys.importance_group] = leading
    if qvalue is not None:
        per_var[keys.importance_qvalue] = per_gene(qvalue, np.float64)
    per_group = {
        keys.importance: per_gene(np.where(kept, sums.per_group(), np.nan)),
        keys.importance_se: per_gene(np.where(kept, sums.standard_error(), np.nan)),
    }
    has_column = holds_groups(adata.obs, groupby, drawn)

    # nothing is computed from here on: a failure before it leaves the data as they were
    adata.obs[keys.n_genes_attended] = streamed.n_attended
    adata.obs[keys.attention_entropy] = streamed.entropy
    adata.obs[keys.top_genes] = top
    if not has_column:
        groupby = keys.importance_groups
        adata.obs[groupby] = drawn
    for column, values in per_var.items():
        adata.var[column] = values
    adata.varm.update(per_group)
    adata.uns.pop(keys.importance, None)
    if known:  # without a group there is nothing to rank: h5ad has no table without columns
        made["params"] |= {"groupby": groupby, "reference": "rest"}
        adata.uns[keys.importance] = ranked | {"groups": names} | made
    for step, layer in enumerate(streamed.attention):
        adata.layers[keys.attention if step == 0 else keys.attention_step(step)] = layer
