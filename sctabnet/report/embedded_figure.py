from __future__ import annotations

import base64
import html
import io

import matplotlib.pyplot as plt
from matplotlib.axes import Axes


def embedded_figure(ax: Axes, text: str) -> str:
    """Return the figure of ``ax`` as an image element that holds its own pixels; close it.

    Parameters
    ----------
    ax
        Axes of a figure that nobody else needs.
    text
        What is seen, for those who do not see it.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None, "the plots make their own figure"
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    pixels = base64.b64encode(buffer.getvalue()).decode()
    return f"<img alt='{html.escape(text, quote=True)}' src='data:image/png;base64,{pixels}'>"
