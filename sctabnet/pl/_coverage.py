from __future__ import annotations

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet._keys import Keys
from sctabnet.pl._calibration import known_answers
from sctabnet.pl._figure import BLUE, GREY, ORANGE, axes_or_new, bare


def coverage(
    adata: AnnData, labels_key: str, *, key: str = "sctabnet", ax: Axes | None = None
) -> Axes:
    """Draw how right the labels are if only the surest share of the cells is labelled.

    Parameters
    ----------
    adata
        Annotated by :func:`sctabnet.tl.transfer_labels`.
    labels_key
        Column of ``.obs`` with the known labels; cells without one are left out.
    key
        The ``key_added`` of that call.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. The broken line is the best possible order of the cells: all right ones first. Where
    label sets were written (``coverage=``), their realised coverage and mean size stand below.

    Raises
    ------
    ValueError, KeyError
        If a column is missing, or no cell has a known label.

    Examples
    --------
    >>> import sctabnet as sct
    >>> axes = sct.pl.coverage(sct.datasets.example()[0], "cell_type")
    >>> axes.get_ylabel()
    'share of right labels among them'
    """
    right, confidence = known_answers(adata, labels_key, key)
    n = len(right)
    kept = np.arange(1, n + 1)
    # equally sure cells enter together: their order in the file must not matter
    order = np.argsort(-confidence, kind="stable")
    last = np.append(np.diff(-confidence[order]) > 0, True)
    ax = bare(axes_or_new(ax, (4.2, 3.6)))
    ax.axhline(right.mean(), color=GREY, lw=1, zorder=0)
    ax.plot(kept / n, np.cumsum(np.sort(right)[::-1]) / kept, ls="--", color=ORANGE, lw=1,
            label="best possible")  # fmt: skip
    ax.plot((kept / n)[last], (np.cumsum(right[order]) / kept)[last], color=BLUE, lw=1.8,
            label="by confidence")  # fmt: skip
    lowest = min(right.mean(), float(np.min((np.cumsum(right[order]) / kept)[last])))
    ax.set(xlabel="share of cells labelled, surest first", xlim=(0, 1))
    ax.set(ylabel="share of right labels among them", ylim=(max(0.0, lowest - 0.08), 1.01))
    ax.legend(frameon=False, fontsize=8, loc="lower left")
    column = Keys(key).label_set
    if column in adata.obs:
        known = adata.obs[labels_key].notna().to_numpy()
        truth = adata.obs[labels_key].astype("string")[known]
        sets = adata.obs[column].astype(str)[known].str.split("|")
        held = np.mean([label in names for label, names in zip(truth, sets, strict=True)])
        asked = adata.uns.get(key, {}).get("params", {}).get("coverage")
        wanted = "" if asked is None else f" (asked for {float(asked):.0%})"
        ax.set_title(
            f"label sets hold the true label in {held:.1%}{wanted},\n"
            f"with {sets[sets.str[0] != ''].str.len().mean():.1f} labels on average",
            fontsize=8,
        )
    return ax
