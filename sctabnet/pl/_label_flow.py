from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from sctabnet import _checks
from sctabnet._result_checks import check_categorical, check_several
from sctabnet.pl._figure import axes_or_new, font_size, inches, label_colours, palette

_BAR = 0.06  # width of a column of labels; columns stand 1 apart


def label_flow(adata: AnnData, columns: Sequence[str], *, ax: Axes | None = None) -> Axes:
    """Draw how the groups of one column of ``obs`` go over into those of the next.

    From coarse to fine levels, from known to transferred labels, or from clusters to labels.

    Parameters
    ----------
    adata
        Cells with the columns.
    columns
        Two or more columns of ``.obs``, drawn from left to right; cells with a missing value in
        any of them are left out.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. Heights are numbers of cells; bands have the colour of the column on their left.

    Raises
    ------
    ValueError, KeyError
        If a column is missing or holds measurements.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata = sct.datasets.example()[0]
    >>> axes = sct.pl.label_flow(adata, ["cell_type", "sctabnet_label"])
    >>> [tick.get_text() for tick in axes.get_xticklabels()]
    ['cell_type', 'sctabnet_label']
    """
    check_several(columns, argument="columns")
    for column in columns:
        _checks.check_obs_key(adata.obs.columns, column, argument="columns")
        check_categorical(adata.obs[column], column)
    whole = adata.obs[list(columns)].notna().all(axis=1).to_numpy()
    groups = [pd.Categorical(adata.obs[column][whole].astype("category")) for column in columns]
    # the order on the left is that of the categories; on the right, of where the cells come from
    orders = [_present(groups[0])]
    for left, right in pairwise(groups):
        place = np.empty(len(left.categories))
        place[orders[-1]] = np.arange(len(orders[-1]))
        come_from = pd.Series(place[left.codes]).groupby(np.asarray(right.codes)).mean()
        orders.append(come_from.sort_values(kind="stable").index.to_numpy())
    most = max(len(order) for order in orders)
    width = 2.6 * len(columns) + 1.4 + _beside(groups[0]) + _beside(groups[-1])
    ax = axes_or_new(ax, (width, max(3.0, inches(most) + 0.8)))
    gap = 0.012 * len(groups[0]) if most <= 20 else 0.004 * len(groups[0])
    spans = [_spans(group, order, gap) for group, order in zip(groups, orders, strict=True)]
    shades = _colours(adata, columns, groups)
    for i, (group, order) in enumerate(zip(groups, orders, strict=True)):
        colours = shades[i]
        for code in order:
            low, high = spans[i][code]
            ax.fill_between([i - _BAR, i + _BAR], low, high, color=colours[code], lw=0)
        if i + 1 < len(groups):
            _bands(ax, i, group, groups[i + 1], orders[i : i + 2], spans[i : i + 2], colours)
        _names(ax, i, group, order, spans[i], last=i + 1 == len(groups))
    ax.set_xticks(range(len(columns)), columns)
    ax.tick_params(length=0)
    ax.set(yticks=[], xlim=(-0.55, len(columns) - 0.45))
    ax.invert_yaxis()
    ax.spines[:].set_visible(False)
    return ax


def _beside(group: pd.Categorical) -> float:
    """Return the inches that names need beside an outer column, beyond what there is."""
    here = [str(group.categories[code]) for code in _present(group)]
    return max(0, max(map(len, here)) - 16) * 0.0085 * font_size(len(here))


def _colours(
    adata: AnnData, columns: Sequence[str], groups: list[pd.Categorical]
) -> list[list[str]]:
    """Return each column's colours: a name has the same one everywhere, unless stored otherwise."""
    names = list(dict.fromkeys(str(name) for group in groups for name in group.categories))
    colour_of = dict(zip(names, palette(len(names)), strict=True))
    stored = [f"{column}_colors" in adata.uns for column in columns]
    for i in reversed(np.flatnonzero(stored)):  # the column on the left has the last word
        found = label_colours(adata, columns[i], list(groups[i].categories))
        colour_of |= dict(zip(map(str, groups[i].categories), found, strict=True))
    return [
        label_colours(adata, column, list(group.categories))
        if there
        else [colour_of[str(name)] for name in group.categories]
        for column, group, there in zip(columns, groups, stored, strict=True)
    ]


def _present(group: pd.Categorical) -> np.ndarray:
    return np.unique(group.codes)


def _spans(group: pd.Categorical, order: np.ndarray, gap: float) -> dict[int, tuple[float, float]]:
    """Return from and to, in cells, of each group on its column; the gaps are shared out."""
    sizes = np.bincount(group.codes, minlength=len(group.categories))
    low, spans = 0.0, {}
    for code in order:
        spans[int(code)] = (low, low + sizes[code])
        low += sizes[code] + gap
    return spans


def _bands(
    ax: Axes,
    i: int,
    left: pd.Categorical,
    right: pd.Categorical,
    orders: list[np.ndarray],
    spans: list[dict[int, tuple[float, float]]],
    colours: list[str],
) -> None:
    table = pd.crosstab(np.asarray(left.codes), np.asarray(right.codes))
    starts = {code: span[0] for code, span in spans[0].items()}
    ends = {code: span[0] for code, span in spans[1].items()}
    x0, x1 = i + _BAR, i + 1 - _BAR
    middle = (x0 + x1) / 2
    for a in orders[0]:
        for b in orders[1]:
            n = table.loc[a, b]
            if not n:
                continue
            y0, y1 = starts[a], ends[b]
            starts[a], ends[b] = y0 + n, y1 + n
            corners = [(x0, y0), (middle, y0), (middle, y1), (x1, y1), (x1, y1 + n)]
            corners += [(middle, y1 + n), (middle, y0 + n), (x0, y0 + n), (x0, y0)]
            moves = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.LINETO]
            ax.add_patch(PathPatch(Path(corners, moves), fc=colours[a], alpha=0.45, lw=0))


def _names(
    ax: Axes,
    i: int,
    group: pd.Categorical,
    order: np.ndarray,
    spans: dict[int, tuple[float, float]],
    *,
    last: bool,
) -> None:
    """Write the names beside a column, moved apart where they would overlap."""
    total = max(span[1] for span in spans.values())
    apart = total / max(len(order), 1) * (0.98 if len(order) > 20 else 0.5)
    wanted = np.array([sum(spans[int(code)]) / 2 for code in order])
    places = wanted.copy()
    for j in range(1, len(places)):
        places[j] = max(places[j], places[j - 1] + apart)
    excess = max(0.0, places[-1] - total)
    if excess:
        places[-1] -= excess
        for j in range(len(places) - 2, -1, -1):
            places[j] = min(places[j], places[j + 1] - apart)
    side, align = (1.0, "left") if last else (-1.0, "right")
    for code, at, centre in zip(order, places, wanted, strict=True):
        x = i + side * (_BAR + 0.06)
        ax.plot([i + side * _BAR, x - side * 0.01], [centre, at], color="#999999", lw=0.5)
        text = ax.text(x, at, str(group.categories[code]), ha=align, va="center")
        text.set_fontsize(font_size(len(order)))
        text.set_bbox({"fc": "white", "ec": "none", "alpha": 0.65, "pad": 0.4})
