from __future__ import annotations

import pandas as pd
from anndata import AnnData

from sctabnet import _checks
from sctabnet._keys import Keys


def importance_df(
    adata: AnnData, group: str | None = None, *, n_genes: int | None = None, key: str = "sctabnet"
) -> pd.DataFrame:
    """Return ranked genes as a tidy data frame.

    Parameters
    ----------
    adata
        Explained by :func:`sctabnet.tl.gene_importance`.
    group
        One group, or None for all.
    n_genes
        Genes per group; None for all.
    key
        The ``key_added`` of that call.

    Returns
    -------
    Data frame with the columns ``group``, ``rank`` (from 1), ``gene``, ``score`` and
    ``log2_fold_change``.

    Raises
    ------
    KeyError
        If importances were not computed yet, or the group was not ranked.

    Examples
    --------
    >>> import sctabnet as sct
    >>> table = sct.get.importance_df(sct.datasets.example()[0], "T cell", n_genes=3)
    >>> list(table["rank"])
    [1, 2, 3]
    """
    slot = Keys(key).importance
    _checks.check_computed(adata.uns, slot, call="sctabnet.tl.gene_importance")
    ranked = adata.uns[slot]
    groups = list(ranked["names"].dtype.names)
    if group is not None:
        _checks.check_group(group, groups)
        groups = [group]
    frames = []
    for name in groups:
        genes = ranked["names"][name][:n_genes]
        frame = pd.DataFrame(
            {
                "group": name,
                "rank": range(1, len(genes) + 1),
                "gene": genes,
                "score": ranked["scores"][name][:n_genes],
                "log2_fold_change": ranked["logfoldchanges"][name][:n_genes],
            }
        )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
