from __future__ import annotations

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._result_checks import check_result, check_some
from sctabnet.model.calibration_error import calibration_error
from sctabnet.pl._figure import BLUE, GREY, axes_or_new, bare


def calibration(
    adata: AnnData,
    labels_key: str,
    *,
    n_bins: int = 10,
    key: str = "sctabnet",
    ax: Axes | None = None,
) -> Axes:
    """Draw how often labels are right against how sure the model was.

    Parameters
    ----------
    adata
        Annotated by :func:`sctabnet.tl.transfer_labels`.
    labels_key
        Column of ``.obs`` with the known labels; cells without one are left out.
    n_bins
        Groups of equally many cells, by confidence; fewer where confidences are equal.
    key
        The ``key_added`` of that call.
    ax
        Axes to draw into; a new figure if None.

    Returns
    -------
    The Axes. Bars are 95 % intervals of the share of right labels (Wilson 1927); a point below
    the diagonal was too sure. ECE is the expected calibration error over 15 bins.

    Raises
    ------
    ValueError, KeyError
        If a column is missing, or no cell has a known label.

    Examples
    --------
    >>> import sctabnet as sct
    >>> axes = sct.pl.calibration(sct.datasets.example()[0], "cell_type")
    >>> axes.get_xlabel()
    'confidence'
    """
    right, confidence = known_answers(adata, labels_key, key)
    order = np.argsort(confidence, kind="stable")
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, n_bins + 1)))
    last = max(len(edges) - 2, 0)  # the surest cell belongs to the bin below it
    bins = np.clip(np.searchsorted(edges, confidence[order], side="right") - 1, 0, last)
    ax = bare(axes_or_new(ax, (4.0, 3.8)))
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, zorder=0)
    for code in np.unique(bins):
        inside = order[bins == code]
        n, share = len(inside), right[inside].mean()
        z = 1.96
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        stated = confidence[inside].mean()
        ax.plot([stated, stated], [centre - half, centre + half], color=BLUE, lw=1.2)
        ax.plot(stated, share, "o", color=BLUE, ms=5)
    error = calibration_error(right, confidence)
    ax.set_title(f"ECE {error:.3f}, {len(right):,} cells")
    ax.set(xlabel="confidence", ylabel="share of right labels", xlim=(0, 1.02), ylim=(0, 1.02))
    return ax


def known_answers(adata: AnnData, labels_key: str, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return for cells with a known label whether theirs is right, and their confidence."""
    keys = Keys(key)
    _checks.check_obs_key(adata.obs.columns, labels_key, argument="labels_key")
    for column in (keys.label, keys.confidence):
        check_result(
            adata.obs.columns, column, slot="obs", call="sctabnet.tl.transfer_labels(adata, model)"
        )
    known = adata.obs[labels_key].notna().to_numpy()
    check_some(
        int(known.sum()), "cells with a known label",
        found=f"only missing values in obs[{labels_key!r}]",
        advice="Name a column of reference labels.",
    )  # fmt: skip
    truth = adata.obs[labels_key].astype("string").to_numpy()[known]
    given = adata.obs[keys.label].astype("string").to_numpy()[known]
    confidence = adata.obs[keys.confidence].to_numpy(dtype=float)[known]
    return np.asarray(truth == given, dtype=bool), confidence
