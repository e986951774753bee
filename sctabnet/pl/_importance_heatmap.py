from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet.get._importance_df import importance_df


def importance_heatmap(
    adata: AnnData,
    *,
    n_genes: int = 4,
    groups: list[str] | None = None,
    key: str = "sctabnet",
    ax: Axes | None = None,
) -> Axes:
    """Draw the top genes of every group against all groups.

    Parameters
    ----------
    adata
        Explained by :func:`sctabnet.tl.gene_importance`.
    n_genes
        Top genes shown for each group.
    groups
        Groups to show; None for all that were ranked.
    key
        The ``key_added`` of that call.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. Colour is the mean contribution of a gene to the group's label, scaled to the
    largest of that group.

    Raises
    ------
    KeyError
        If importances were not computed yet, or a group was not ranked.
    """
    slot = Keys(key).importance
    table = importance_df(adata, n_genes=n_genes, key=key)
    ranked = list(table["group"].unique())
    for name in groups or []:
        _checks.check_group(name, ranked)
    shown = groups or ranked
    genes = list(dict.fromkeys(table[table["group"].isin(shown)]["gene"]))
    columns = [list(adata.uns[slot]["groups"]).index(name) for name in shown]
    values = adata[:, genes].varm[slot][:, columns].T
    largest = np.abs(values).max(axis=1, keepdims=True)
    values = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    if ax is None:
        size = (max(4.0, 0.24 * len(genes) + 3), max(2.0, 0.3 * len(shown) + 1.5))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    image = ax.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    ax.set_xticks(range(len(genes)), genes, rotation=90, fontsize=8)
    ax.set_yticks(range(len(shown)), shown, fontsize=8)
    ax.figure.colorbar(image, ax=ax, label="mean contribution (scaled)", shrink=0.8)
    return ax
