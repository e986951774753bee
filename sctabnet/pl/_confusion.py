from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet.pl._figure import axes_or_new, font_size, inches


def confusion(
    adata: AnnData, labels_key: str, *, key: str = "sctabnet", ax: Axes | None = None
) -> Axes:
    """Draw known labels against transferred labels.

    Parameters
    ----------
    adata
        Annotated by :func:`sctabnet.tl.transfer_labels`.
    labels_key
        Column of ``.obs`` with the known labels.
    key
        The ``key_added`` of that call.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. Each row sums to 1; the number of cells stands beside the known label.

    Raises
    ------
    KeyError
        If a column is missing.

    Examples
    --------
    >>> import sctabnet as sct
    >>> axes = sct.pl.confusion(sct.datasets.example()[0], "cell_type")
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('transferred label', 'known label (cells)')
    """
    column = Keys(key).label
    _checks.check_obs_key(adata.obs.columns, labels_key, argument="labels_key")
    _checks.check_computed(adata.obs.columns, column, call="sctabnet.tl.transfer_labels")
    known = adata.obs[labels_key].astype("string")
    given = adata.obs[column].astype("string")
    names = list(adata.obs[column].cat.categories)
    rows = names + sorted(set(known.dropna()) - set(names))
    table = pd.crosstab(known, given).reindex(index=rows, columns=names, fill_value=0)
    table = table[table.sum(axis=1) > 0]
    share = table.to_numpy() / table.sum(axis=1).to_numpy()[:, None]
    size = (max(4.0, inches(len(names)) + 3.5), max(3.0, inches(len(table)) + 2.2))
    ax = axes_or_new(ax, size)
    image = ax.imshow(share, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=font_size(len(names)))
    counts = table.sum(axis=1)
    rows = [f"{name} ({n})" for name, n in counts.items()]
    ax.set_yticks(range(len(table)), rows, fontsize=font_size(len(table)))
    if len(names) <= 20:
        for i, j in zip(*np.nonzero(share >= 0.005), strict=True):
            colour = "black" if share[i, j] > 0.6 else "white"
            ax.text(j, i, f"{share[i, j]:.2f}", ha="center", va="center", color=colour, fontsize=6)
    ax.set_xlabel("transferred label")
    ax.set_ylabel("known label (cells)")
    ax.figure.colorbar(image, ax=ax, label="share of the known label", shrink=0.8)
    return ax
