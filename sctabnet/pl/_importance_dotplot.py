from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet._keys import Keys
from sctabnet.pl._figure import axes_or_new, font_size, inches
from sctabnet.pl._importance_heatmap import shown_genes


def importance_dotplot(
    adata: AnnData,
    *,
    n_genes: int | None = None,
    groups: Sequence[str] | None = None,
    key: str = "sctabnet",
    ax: Axes | None = None,
) -> Axes:
    """Draw the top genes of every group: how much the model uses them, and how they are expressed.

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
    The Axes. The area of a dot is the gene's importance for the group, as a share of the group's
    largest (what speaks against the label has no dot); colour is the log2 fold change of its
    expression against the other groups. A large pale dot is a gene that the model uses although
    its mean differs little.

    Raises
    ------
    KeyError
        If importances were not computed yet, or a group was not ranked.

    Examples
    --------
    >>> import sctabnet as sct
    >>> axes = sct.pl.importance_dotplot(sct.datasets.example()[0], n_genes=2)
    >>> [tick.get_text() for tick in axes.get_yticklabels()]
    ['B cell', 'NK cell', 'T cell']
    """
    slot = Keys(key).importance
    shown, genes = shown_genes(adata, n_genes, groups, key)
    ranked = adata.uns[slot]
    area, change = np.zeros((len(shown), len(genes))), np.zeros((len(shown), len(genes)))
    for i, name in enumerate(shown):
        index = pd.Index(ranked["names"][name])
        scores = pd.Series(ranked["scores"][name], index=index).reindex(genes).to_numpy()
        change[i] = pd.Series(ranked["logfoldchanges"][name], index=index).reindex(genes)
        largest = np.abs(ranked["scores"][name]).max()
        area[i] = np.clip(scores / largest if largest else 0 * scores, 0, 1)
    ax = axes_or_new(ax, (max(3.6, inches(len(genes)) + 3.2), max(2.8, inches(len(shown)) + 1.4)))
    cell = 72 * min(inches(len(genes)) / len(genes), inches(len(shown)) / len(shown))
    largest_dot = (0.85 * cell) ** 2
    x, y = np.meshgrid(range(len(genes)), range(len(shown)))
    limit = float(np.nanmax(np.abs(np.clip(change, -5, 5)))) or 1.0
    dots = ax.scatter(
        x.ravel(), y.ravel(), s=(largest_dot * area).ravel(), c=change.ravel(), cmap="RdBu_r",
        vmin=-limit, vmax=limit, edgecolors="#444444",
        linewidths=np.where(area > 0.05, 0.4, 0).ravel().tolist(),
    )  # fmt: skip
    ax.set_xticks(range(len(genes)), genes, rotation=90, fontsize=font_size(len(genes)))
    ax.set_yticks(range(len(shown)), shown, fontsize=font_size(len(shown)))
    ax.set(xlim=(-0.7, len(genes) - 0.3), ylim=(len(shown) - 0.3, -0.7))
    ax.figure.colorbar(dots, ax=ax, label="log2 fold change", shrink=0.8)
    ax.set_title("dot area: importance, share of the group's largest", fontsize=8)
    return ax
