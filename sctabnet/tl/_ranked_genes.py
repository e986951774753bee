"""The layout in which scanpy keeps ranked genes, so that all of its readers work on ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ranked_genes(
    scores: NDArray[np.float64],
    log2_fold_change: NDArray[np.float64],
    gene_names: NDArray[np.object_],
    groups: list[str],
) -> dict[str, Any]:
    """Return the five arrays of ``rank_genes_groups``, genes by falling score in every group.

    scanpy's readers ask for log fold changes and p-values as soon as the method is not
    ``"logreg"``: the fold changes are real, the p-values are NaN, because no test was made.

    Parameters
    ----------
    scores, log2_fold_change
        float64 (genes, groups), without NaN.
    gene_names
        Names of the genes.
    groups
        Names of the groups.
    """
    order = np.lexsort((np.arange(len(scores))[:, None].repeat(len(groups), 1), -scores), axis=0)

    def table(values: NDArray[Any], dtype: str) -> NDArray[Any]:
        columns = np.take_along_axis(values, order, axis=0)
        out = np.zeros(len(scores), dtype=[(group, dtype) for group in groups])
        for i, group in enumerate(groups):
            out[group] = columns[:, i]
        return out

    names = np.repeat(gene_names[:, None], len(groups), axis=1)
    nothing = np.full(scores.shape, np.nan)
    return {
        "names": table(names, "O"),
        "scores": table(scores, "f4"),
        "logfoldchanges": table(log2_fold_change, "f4"),
        "pvals": table(nothing, "f8"),
        "pvals_adj": table(nothing, "f8"),
    }
