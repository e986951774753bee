from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet._result_checks import check_result


def perturbation_heatmap(adata: AnnData, *, n_genes: int = 40, ax: Axes | None = None) -> Axes:
    """Draw the predicted effects of several perturbations on the genes that respond most.

    Parameters
    ----------
    adata
        From :func:`sctabnet.tl.predict_perturbation` with ``return_="delta"``.
    n_genes
        Genes with the largest mean absolute effect, ordered by the first component of the effects.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. Beside each row stands what its prediction rests on.

    Raises
    ------
    KeyError
        If ``adata`` holds no predicted effects.

    Examples
    --------
    >>> import sctabnet as sct
    >>> screen, model = sct.datasets.example_perturbation()
    >>> effects = sct.tl.predict_perturbation(screen, model, ["P3", "P1+P2"], return_="delta")
    >>> axes = sct.pl.perturbation_heatmap(effects, n_genes=10)
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['P3|all (seen)', 'P1+P2|all (partly seen)']
    """
    check_result(
        adata.layers, "lower", slot="layers",
        call='sctabnet.tl.predict_perturbation(adata, model, perturbations, return_="delta")',
    )  # fmt: skip
    delta = np.asarray(adata.X)
    top = np.argsort(-np.abs(delta).mean(axis=0), kind="stable")[:n_genes]
    _, _, axes = np.linalg.svd(delta[:, top], full_matrices=False)
    top = top[np.argsort(axes[0], kind="stable")]
    if ax is None:
        size = (2.5 + 0.16 * len(top), 1.8 + 0.22 * adata.n_obs)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    limit = float(np.abs(delta).max()) or 1.0
    image = ax.imshow(delta[:, top], cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks(range(len(top)), adata.var_names[top], rotation=90, fontsize=6)
    support = adata.obs["support"].astype(str)
    rows = [f"{name} ({s})" for name, s in zip(adata.obs_names, support, strict=True)]
    ax.set_yticks(range(adata.n_obs), rows, fontsize=7)
    ax.figure.colorbar(image, ax=ax, label="predicted effect (log1p)", shrink=0.8)
    return ax
