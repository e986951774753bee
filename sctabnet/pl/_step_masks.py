from __future__ import annotations

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._result_checks import check_result, check_some
from sctabnet.pl._figure import axes_or_new, font_size, inches

_CALL = "sctabnet.tl.gene_importance(adata, model, attention=True)"


def step_masks(
    adata: AnnData,
    group: str | None = None,
    *,
    groupby: str | None = None,
    n_genes: int = 30,
    key: str = "sctabnet",
    ax: Axes | None = None,
) -> Axes:
    """Draw which genes each decision step looks at.

    Parameters
    ----------
    adata
        Explained by :func:`sctabnet.tl.gene_importance` with ``attention=True``.
    group
        Mean over the cells of this group; None for all cells.
    groupby
        Column of ``.obs`` with the groups; the transferred labels if None.
    n_genes
        Genes with the most attention over all steps.
    key
        The ``key_added`` of that call.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. Rows are the decision steps and their aggregate, colour is the mean mask. Attention
    speaks of the TabNet term only; for the whole model look at importances.

    Raises
    ------
    ValueError, KeyError
        If attention was not computed yet, or there is no such group.

    Examples
    --------
    >>> import sctabnet as sct
    >>> axes = sct.pl.step_masks(sct.datasets.example()[0], "T cell", n_genes=10)
    >>> [tick.get_text() for tick in axes.get_yticklabels()]
    ['step 1', 'step 2', 'aggregate']
    """
    keys = Keys(key)
    check_result(adata.layers, keys.attention, slot="layers", call=_CALL)
    cells = np.ones(adata.n_obs, dtype=bool)
    if group is not None:
        column = groupby or keys.label
        _checks.check_obs_key(adata.obs.columns, column, argument="groupby")
        names = adata.obs[column].astype(str)
        _checks.check_group(group, sorted(set(names)))
        cells = (names == group).to_numpy()
    check_some(int(cells.sum()), "cells", found="adata with 0 rows", advice="Check the filter.")
    steps: list[str] = []
    while keys.attention_step(len(steps) + 1) in adata.layers:
        steps.append(keys.attention_step(len(steps) + 1))
    rows = [*steps, keys.attention]
    means = np.stack([np.asarray(adata.layers[row][cells].mean(axis=0)).ravel() for row in rows])
    top = np.argsort(-means[-1], kind="stable")[:n_genes]
    # genes in the order of the step that looks at them most: the picture reads from left to right
    top = top[np.lexsort((-means[-1][top], means[:-1, top].argmax(axis=0)))] if steps else top
    ax = axes_or_new(ax, (max(4.2, inches(len(top)) * 0.8 + 2.2), 0.34 * len(rows) + 1.5))
    image = ax.imshow(means[:, top], cmap="cividis", vmin=0, aspect="auto", interpolation="nearest")
    genes = [str(name) for name in adata.var_names[top]]
    ax.set_xticks(range(len(top)), genes, rotation=90, fontsize=font_size(len(top)))
    titles = [f"step {i}" for i in range(1, len(steps) + 1)] + ["aggregate"]
    ax.set_yticks(range(len(rows)), titles, fontsize=8)
    ax.axhline(len(steps) - 0.5, color="white", lw=2)
    ax.set_title(f"{group or 'all'} ({cells.sum():,} cells)", fontsize=9)
    ax.figure.colorbar(image, ax=ax, label="mean mask", shrink=0.9)
    return ax
