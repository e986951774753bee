"""From antisymmetric statistics to evidence against "this gene tells nothing"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def knockoff_evalues(w: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    r"""Return (g,) e-values of one draw of decoys.

    .. math:: T = \min \{t > 0 : \frac{1 + \#\{w \le -t\}}{\#\{w \ge t\} \vee 1} \le \text{level}\},
        \qquad e_g = \frac{p \, 1\{w_g \ge T\}}{1 + \#\{w \le -T\}}

    T is the threshold of knockoff+ (Barber and Candes 2015, eq. 1.9); the e-values of p tested
    genes average over draws without losing the error rate (Ren and Barber 2024,
    arXiv 2205.15461).

    Parameters
    ----------
    w
        (g,) statistic, symmetric about 0 for a gene that tells nothing; NaN for genes not tested.
    level
        False discovery rate of the threshold.
    """
    tested = np.isfinite(w)
    magnitudes = np.sort(np.unique(np.abs(w[tested & (w != 0)])))
    ordered = np.sort(w[tested])
    below = np.searchsorted(ordered, -magnitudes, side="right")
    above = len(ordered) - np.searchsorted(ordered, magnitudes, side="left")
    passing = (1 + below) / np.maximum(above, 1) <= level
    evidence = np.zeros(len(w))
    if passing.any():
        first = int(np.argmax(passing))
        selected = tested & (w >= magnitudes[first])
        evidence[selected] = tested.sum() / (1 + below[first])
    return evidence
