"""How far to widen label sets for a query that the model is less sure of than of the reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

_CHANCE, _FEWEST = 0.02, 20


def set_widening(query: NDArray[np.floating], calibration: NDArray[np.floating]) -> float:
    """Return by how much to raise all limits, in log-odds; 0 unless the query calls for it.

    Limits of label sets hold for cells like the calibration cells. In an atlas of another
    chemistry probabilities are lower all over, and far more cells lose even their most probable
    label than the coverage that was asked for would have it. That share needs no labels: limits
    rise until it is what it is in the calibration cells, if it is larger beyond chance (Fisher's
    exact test at .02). For cells exchangeable with the calibration cells nothing changes then. It
    mends sets where probabilities sink while labels stay right, not where labels become wrong.

    Parameters
    ----------
    query, calibration
        (n,) and (m,), of each cell's most probable label: what
        :func:`~sctabnet.uncertainty.set_distances.set_distances` says of it. Cells that are
        flagged as unknown should be left out of both: they belong to no set.
    """
    n, m = len(query), len(calibration)
    out_query, out_calibration = int((query > 0).sum()), int((calibration > 0).sum())
    if n < _FEWEST or not m:
        return 0.0
    p_value = hypergeom.sf(out_query - 1, n + m, out_query + out_calibration, n)
    if p_value > _CHANCE:
        return 0.0
    share = out_calibration / m
    may_be_out = int(np.floor(np.round(share * n, 9)))
    return float(np.sort(query)[::-1][may_be_out])
