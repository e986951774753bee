from __future__ import annotations

from typing import Any, Literal

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._result_checks import check_result
from sctabnet.pl._figure import GREY, INK, ORANGE, axes_or_new, font_size, label_colours

_CALL = "sctabnet.tl.transfer_labels(adata, model)"


def umap(
    adata: AnnData,
    show: Literal["label", "confidence", "unknown"] = "label",
    *,
    basis: str = "X_umap",
    key: str = "sctabnet",
    ax: Axes | None = None,
) -> Axes:
    """Draw cells in two dimensions with their label, confidence or unknown flag.

    Labels are numbered on the map and in the legend: nobody has to tell sixty colours apart.

    Parameters
    ----------
    adata
        Annotated by :func:`sctabnet.tl.transfer_labels`.
    show
        ``"label"`` (cells flagged as unknown are grey crosses), ``"confidence"`` or ``"unknown"``.
    basis
        Slot of ``.obsm`` with the places of the cells; its first two columns are drawn.
    key
        The ``key_added`` of that call.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. Colours of labels are those of ``.uns[key + "_label_colors"]`` where there are any.

    Raises
    ------
    ValueError, KeyError
        If labels or places were not computed yet.

    Examples
    --------
    >>> import sctabnet as sct
    >>> axes = sct.pl.umap(sct.datasets.example()[0], basis="X_sctabnet")
    >>> axes.get_title()
    'label'
    """
    keys = Keys(key)
    _checks.check_choice(show, ("label", "confidence", "unknown"), argument="show")
    check_result(
        adata.obsm, basis, slot="obsm",
        call="sctabnet.tl.embed(adata, model); "
        f"scanpy.pp.neighbors(adata, use_rep={keys.embedding!r}); scanpy.tl.umap(adata)",
    )  # fmt: skip
    column = {"label": keys.label, "confidence": keys.confidence, "unknown": keys.unknown}[show]
    check_result(adata.obs.columns, column, slot="obs", call=_CALL)
    x, y = np.asarray(adata.obsm[basis])[:, :2].T
    n_labels = len(adata.obs[keys.label].cat.categories) if show == "label" else 0
    # legends of up to 20 names fit into one column beside the map
    ax = axes_or_new(ax, (4.4 + 1.9 * np.ceil(n_labels / 20), 4.2))
    points: dict[str, Any] = {
        "s": float(np.clip(12000 / max(adata.n_obs, 1), 1, 24)),
        "linewidths": 0,
        "rasterized": adata.n_obs > 5000,
    }
    if show == "confidence":
        order = np.argsort(-adata.obs[column].to_numpy(), kind="stable")  # doubtful cells on top
        image = ax.scatter(
            x[order], y[order], c=adata.obs[column].to_numpy()[order], cmap="cividis",
            vmin=0, vmax=1, **points,
        )  # fmt: skip
        ax.figure.colorbar(image, ax=ax, label="confidence", shrink=0.8)
    elif show == "unknown":
        unknown = adata.obs[column].to_numpy(dtype=bool)
        for chosen, colour, name in ((~unknown, GREY, "known type"), (unknown, ORANGE, "unknown")):
            ax.scatter(
                x[chosen], y[chosen], color=colour, label=f"{name} ({chosen.sum():,})", **points
            )
        ax.legend(frameon=False, fontsize=8, markerscale=2, loc="upper right")
    else:
        _draw_labels(adata, keys, ax, x, y, points)
    name = basis.removeprefix("X_").replace("_", " ")
    name = name.upper() if name in {"umap", "pca", "tsne"} else name
    ax.set(xlabel=f"{name} 1", ylabel=f"{name} 2", title=show, xticks=[], yticks=[])
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _draw_labels(
    adata: AnnData, keys: Keys, ax: Axes, x: np.ndarray, y: np.ndarray, points: dict[str, Any]
) -> None:
    labels = adata.obs[keys.label]
    names, codes = list(labels.cat.categories), labels.cat.codes.to_numpy()
    colours = label_colours(adata, keys.label, names)
    unknown = np.zeros(adata.n_obs, dtype=bool)
    if keys.unknown in adata.obs:
        unknown = adata.obs[keys.unknown].to_numpy(dtype=bool)
    drawn = np.random.default_rng(0).permutation(np.flatnonzero(~unknown))  # no type always on top
    ax.scatter(x[drawn], y[drawn], c=[colours[code] for code in codes[drawn]], **points)
    crosses = points | {"linewidths": 0.7, "s": max(points["s"], 9)}
    ax.scatter(x[unknown], y[unknown], marker="x", color="#777777", **crosses)
    handles = []
    seen = [code for code in range(len(names)) if (codes == code).any()]
    for number, code in enumerate(seen, 1):
        inside = (codes == code) & ~unknown
        if inside.any():
            place = np.median(x[inside]), np.median(y[inside])
            ax.annotate(
                str(number), place, ha="center", va="center", fontsize=7, color=INK,
                bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": colours[code], "lw": 1},
            )  # fmt: skip
        n = int((codes == code).sum())
        handles.append(
            Line2D([], [], marker="o", ls="", color=colours[code], ms=5,
                   label=f"{number}  {names[code]} ({n:,})")
        )  # fmt: skip
    if unknown.any():
        handles.append(
            Line2D([], [], marker="x", ls="", color="#777777", ms=5,
                   label=f"flagged as unknown ({unknown.sum():,})")
        )  # fmt: skip
    ax.legend(
        handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False,
        fontsize=font_size(len(handles)), ncols=int(np.ceil(len(handles) / 21)),
        handletextpad=0.2, columnspacing=0.8, labelspacing=0.3,
    )  # fmt: skip
