from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_OFFSET = (
    0.1  # counts per 10,000; keeps the noise of silent genes from being blown up by the logarithm
)
_HIGHEST = float(np.log(1e4))  # no gene exceeds all counts of a cell


def perturb_link(x: Array, *, inverse: bool = False) -> Array:
    """Return log(exp(x) - 1 + 0.1), the scale on which effects are factors, or its inverse.

    It is the logarithm of expression in counts per 10,000. Where expression is high that is the
    log1p scale itself; where it is low, effects multiply there while they would add up on the
    log1p scale. Perturbations and cell types act by factors on rates.

    Parameters
    ----------
    x
        Mean log1p expression of at least 0 (lower values count as 0), or its link if ``inverse``.
    inverse
        Go back; the result is at least 0.

    Examples
    --------
    >>> float(perturb_link(perturb_link(np.array(1.5)), inverse=True).round(6))
    1.5
    """
    if inverse:
        return np.log1p(np.maximum(np.exp(np.minimum(x, _HIGHEST)) - _OFFSET, 0.0))
    return np.log(np.expm1(np.maximum(x, 0.0)) + _OFFSET)
