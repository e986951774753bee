from __future__ import annotations

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._result_checks import check_result
from sctabnet.pl._figure import GREY, OKABE_ITO, axes_or_new, bare


def deletion_curve(adata: AnnData, *, key: str = "sctabnet", ax: Axes | None = None) -> Axes:
    """Draw how sure the model still is after the genes that are said to matter were deleted.

    Parameters
    ----------
    adata
        Explained by :func:`sctabnet.tl.gene_importance` with ``method=None``, which compares
        several readouts in this way and takes the one whose curve falls deepest.
    key
        The ``key_added`` of that call.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. The chosen readout is the bold line; ``random`` is what deleting any genes does.

    Raises
    ------
    KeyError
        If no deletion test was made.

    Examples
    --------
    >>> import sctabnet as sct
    >>> axes = sct.pl.deletion_curve(sct.datasets.example()[0])
    >>> [text.get_text() for text in axes.get_legend().get_texts()][-1]
    'random'
    """
    slot = Keys(key).importance
    _checks.check_computed(adata.uns, slot, call="sctabnet.tl.gene_importance")
    call = "sctabnet.tl.gene_importance(adata, model, method=None) on 40 cells or more"
    check_result(adata.uns[slot], "deletion", slot=f"uns[{slot!r}]", call=call)
    test = adata.uns[slot]["deletion"]
    chosen = str(adata.uns[slot]["params"]["method"])
    deleted = 100 * np.asarray(test["fractions"], dtype=float)
    curves = {str(name): np.asarray(curve, dtype=float) for name, curve in test["curves"].items()}
    names = [name for name in curves if name != "random"] + ["random"] * ("random" in curves)
    ax = bare(axes_or_new(ax, (4.6, 3.6)))
    for i, name in enumerate(names):
        ax.plot(
            deleted, curves[name], marker="osD^v"[i % 5], ms=4,
            color=GREY if name == "random" else OKABE_ITO[i % len(OKABE_ITO)],
            lw=2.4 if name == chosen else 1.2, ls="--" if name == "random" else "-",
            label=name.replace("_", " ") + (" (chosen)" if name == chosen else ""),
        )  # fmt: skip
    # the first genes matter most, and 0 has no place on a logarithmic axis
    ax.set_xscale("symlog", linthresh=0.5, linscale=0.5)
    ax.set_xticks(deleted, [f"{value:g}" for value in deleted])
    ax.minorticks_off()
    ax.set(xlabel="% of genes deleted, highest ranked first")
    ax.set(ylabel="mean probability of the model's answer")
    ax.legend(frameon=False, fontsize=8)
    return ax
