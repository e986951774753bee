from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet import get


def perturbation_scatter(
    adata: AnnData,
    condition: str,
    *,
    measured: AnnData | None = None,
    n_names: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Draw predicted against measured effects of a perturbation, or predictions with intervals.

    Parameters
    ----------
    adata
        From :func:`sctabnet.tl.predict_perturbation` with ``return_="delta"``.
    condition
        Perturbation to draw; its first context.
    measured
        Measured effects with the same conditions in ``obs["condition"]``; without it the genes
        stand in order of their predicted response.
    n_names
        Genes to name, the strongest responses.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes.

    Raises
    ------
    KeyError
        If the condition was not predicted, or not measured.

    Examples
    --------
    >>> import sctabnet as sct
    >>> screen, model = sct.datasets.example_perturbation()
    >>> effects = sct.tl.predict_perturbation(screen, model, ["P3"], return_="delta")
    >>> axes = sct.pl.perturbation_scatter(effects, "P3")
    >>> axes.get_xlabel()
    'genes by predicted effect'
    """
    table = get.perturbation_df(adata, condition)
    table = table[table["condition"] == table["condition"].iloc[0]].set_index("gene")
    if ax is None:
        _, ax = plt.subplots(figsize=(4.2, 4.0), layout="constrained")
    if measured is None:
        table = table.sort_values("delta")
        x = np.arange(len(table))
        ax.fill_between(x, table["lower"], table["upper"], alpha=0.3, lw=0, label="interval")
        ax.set_xlabel("genes by predicted effect")
        ax.set_ylabel("predicted effect (log1p)")
        x, y = x, table["delta"].to_numpy()
    else:
        truth = get.perturbation_df(_with_intervals(measured), condition).drop_duplicates("gene")
        x = truth.set_index("gene")["delta"].reindex(table.index).to_numpy()
        y = table["delta"].to_numpy()
        known = ~np.isnan(x)
        r = np.corrcoef(x[known], y[known])[0, 1] if known.sum() > 2 else np.nan
        ends = [np.nanmin([x, y]), np.nanmax([x, y])]
        ax.plot(ends, ends, color="0.7", lw=0.8, zorder=0)
        ax.set_xlabel("measured effect (log1p)")
        ax.set_ylabel("predicted effect (log1p)")
        ax.text(0.03, 0.97, f"r = {r:.2f}", transform=ax.transAxes, va="top")
    ax.axhline(0, color="0.85", lw=0.8, zorder=0)
    ax.scatter(x, y, s=6, lw=0)
    named = np.argsort(-np.abs(y), kind="stable")[:n_names]
    _name(ax, x[named], y[named], [str(table.index[i]) for i in named])
    ax.set_title(condition, fontsize=9)
    return ax


def _name(ax: Axes, x: np.ndarray, y: np.ndarray, names: list[str]) -> None:
    """Write names towards the middle of the picture, moved apart, with lines to their points."""
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    apart = (high - low) / 28
    on_the_right = x > (left + right) / 2
    for side, towards, align in ((on_the_right, -18, "right"), (~on_the_right, 18, "left")):
        # up on the right, down on the left: effects in falling order run between the two
        up = 1 if side is on_the_right else -1
        order = np.flatnonzero(side)[np.argsort(up * y[side], kind="stable")]
        places = up * y[order]
        for j in range(1, len(places)):
            places[j] = max(places[j], places[j - 1] + apart)
        end = high if up > 0 else -low
        places -= max(0.0, places[-1] - end + apart / 2) if len(places) else 0.0
        places *= up
        for at, i in zip(places, order, strict=True):
            ax.annotate(
                names[i], (x[i], y[i]), xytext=(towards, at),
                textcoords=("offset points", "data"), ha=align, va="center", fontsize=6,
                arrowprops={"arrowstyle": "-", "color": "0.7", "lw": 0.5, "shrinkA": 0},
            )  # fmt: skip
    ax.set_ylim(low, high)


def _with_intervals(measured: AnnData) -> AnnData:
    """Return measured effects in the layout of predicted ones, with intervals of width zero."""
    out = measured.copy()
    for layer in ("lower", "upper"):
        out.layers.setdefault(layer, out.X)
    if "perturbation" not in out.obs:
        out.obs["perturbation"] = out.obs["condition"]
    return out
