"""Sizes, colours and axes that all plots share, so that 3 and 60 labels are both legible."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

# Okabe and Ito (2008), told apart with every common kind of colour vision; black is left for text
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
GREY = "#BBBBBB"
INK = "#333333"
BLUE, ORANGE = "#0072B2", "#D55E00"


def font_size(n: int) -> float:
    """Return the size in points at which ``n`` names still fit beside each other."""
    return 8.0 if n <= 20 else 7.0 if n <= 36 else 6.0


def inches(n: int) -> float:
    """Return the length of an axis with ``n`` names on it."""
    return n * (0.3 if n <= 20 else 0.19 if n <= 36 else 0.135)


def axes_or_new(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the given Axes, or those of a new figure of ``size`` inches."""
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def palette(n: int) -> list[str]:
    """Return ``n`` colours: seven that everyone can tell apart, then darker and lighter ones."""
    shades = [0.0]
    while len(shades) * len(OKABE_ITO) < n:
        step = len(shades) // 2 + 1
        shades.append((-1) ** len(shades) * min(0.17 * step, 0.85))
    colours = []
    for shade in shades:
        for name in OKABE_ITO:
            rgb, towards = np.array(to_rgb(name)), 0.0 if shade < 0 else 1.0
            red, green, blue = rgb + (towards - rgb) * abs(shade)
            colours.append(to_hex((red, green, blue)))
    return colours[:n]


def label_colours(adata: AnnData, column: str, names: Sequence[str]) -> list[str]:
    """Return the colours of categories: those in ``.uns``, where scanpy keeps them, or ours."""
    stored = adata.uns.get(f"{column}_colors")
    if stored is not None and len(stored) >= len(names):
        return [to_hex(colour) for colour in stored[: len(names)]]
    return palette(len(names))


def readable_on(colour: str) -> str:
    """Return black or white, whichever can be read on ``colour``."""
    red, green, blue = to_rgb(colour)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def bare(ax: Axes) -> Axes:
    """Remove the box's upper and right side."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax
