from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet.get._importance_df import importance_df
from sctabnet.pl._figure import axes_or_new, font_size, inches

_COLUMNS = 60  # genes beside each other that can be read


def importance_heatmap(
    adata: AnnData,
    *,
    n_genes: int | None = None,
    groups: Sequence[str] | None = None,
    key: str = "sctabnet",
    ax: Axes | None = None,
) -> Axes:
    """Draw the top genes of every group against all groups.

    Parameters
    ----------
    adata
        Explained by :func:`sctabnet.tl.gene_importance`.
    n_genes
        Top genes shown for each group; None for as many as can be read (4 down to 1).
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

    Examples
    --------
    >>> import sctabnet as sct
    >>> axes = sct.pl.importance_heatmap(sct.datasets.example()[0], groups=["T cell"], n_genes=5)
    >>> len(axes.get_xticklabels())
    5
    """
    slot = Keys(key).importance
    shown, genes = shown_genes(adata, n_genes, groups, key)
    columns = [list(adata.uns[slot]["groups"]).index(name) for name in shown]
    values = adata[:, genes].varm[slot][:, columns].T
    largest = np.abs(values).max(axis=1, keepdims=True)
    values = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    size = (max(4.0, inches(len(genes)) + 3), max(2.8, inches(len(shown)) + 1.5))
    ax = axes_or_new(ax, size)
    image = ax.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    ax.set_xticks(range(len(genes)), genes, rotation=90, fontsize=font_size(len(genes)))
    ax.set_yticks(range(len(shown)), shown, fontsize=font_size(len(shown)))
    ax.figure.colorbar(image, ax=ax, label="mean contribution (scaled)", shrink=0.8)
    return ax


def shown_genes(
    adata: AnnData, n_genes: int | None, groups: Sequence[str] | None, key: str
) -> tuple[list[str], list[str]]:
    """Return the groups to show and their top genes, each gene once, best groups first."""
    table = importance_df(adata, key=key)
    # columns may have been dropped since the genes were ranked
    table = table[table["gene"].isin(adata.var_names)].copy()
    table["rank"] = table.groupby("group", sort=False).cumcount() + 1
    ranked = [str(name) for name in table["group"].unique()]
    for name in groups or []:
        _checks.check_group(name, ranked)
    shown = list(groups or ranked)
    most = n_genes or max(1, min(4, _COLUMNS // len(shown)))
    top = table[table["group"].isin(shown) & (table["rank"] <= most)]
    by_group = [top["gene"][top["group"] == name] for name in shown]
    return shown, list(dict.fromkeys(gene for genes in by_group for gene in genes))
