from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._result_checks import check_several
from sctabnet.pl._figure import BLUE, GREY, axes_or_new, bare


def stability(adata: AnnData, keys: Sequence[str], *, ax: Axes | None = None) -> Axes:
    """Draw how many of the top genes several rankings have in common.

    Parameters
    ----------
    adata
        Explained by :func:`sctabnet.tl.gene_importance` once for each of several models (seeds,
        halves of the cells), under different ``key_added``.
    keys
        The ``key_added`` of these calls.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. The line is the mean over pairs of rankings of the Jaccard index of their k most
    important genes, the band its range; the broken line is what unrelated rankings have.

    Raises
    ------
    ValueError, KeyError
        If fewer than two keys are given, or one was not computed yet.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata, model = sct.datasets.example()
    >>> sct.tl.gene_importance(adata, model, method="mask", key_added="mask")
    >>> axes = sct.pl.stability(adata, ["sctabnet", "mask"])
    >>> axes.get_xlabel()
    'k'
    """
    check_several(keys, argument="keys")
    orders = []
    for key in keys:
        slot = Keys(key).importance
        _checks.check_computed(adata.var.columns, slot, call="sctabnet.tl.gene_importance")
        values = adata.var[slot].to_numpy(dtype=float)
        n_known = int(np.isfinite(values).sum())
        order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
        orders.append(order[:n_known])
    n_genes = min(len(order) for order in orders)
    k = np.unique(np.geomspace(min(5, n_genes), max(n_genes // 2, 1), 40).astype(int))
    shared = np.array([_jaccard(a, b, k) for a, b in combinations(orders, 2)])
    ax = bare(axes_or_new(ax, (4.4, 3.4)))
    ax.fill_between(k, shared.min(0), shared.max(0), color=BLUE, alpha=0.2, lw=0)
    n_pairs = len(shared)
    pairs = f"{n_pairs} pair{'s' * (n_pairs > 1)}"
    ax.plot(k, shared.mean(0), color=BLUE, lw=2, label=f"mean of {pairs}")
    ax.plot(k, k / (2 * n_genes - k), color=GREY, ls="--", label="by chance")
    ax.set_xscale("log")
    ticks = [value for value in (5, 10, 20, 50, 100, 200, 500, 1000, 5000) if value <= k[-1]]
    ax.set_xticks(ticks, [str(value) for value in ticks])
    ax.minorticks_off()
    ax.set(xlabel="k", ylabel="Jaccard index of the top k genes", ylim=(0, 1.02))
    ax.legend(frameon=False, fontsize=8)
    return ax


def _jaccard(a: np.ndarray, b: np.ndarray, k: np.ndarray) -> np.ndarray:
    both = [len(np.intersect1d(a[:n], b[:n])) for n in k]
    return np.array([n_both / (2 * n - n_both) for n_both, n in zip(both, k, strict=True)])
