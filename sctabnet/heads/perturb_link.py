from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_OFFSET = 0.2  # keeps the noise of silent genes from being blown up by the logarithm


def perturb_link(x: Array, *, inverse: bool = False) -> Array:
    """Return log(x + 0.2), the scale on which perturbations act by factors, or its inverse.

    Mean log1p expression of weakly expressed genes is about proportional to their rate, so that
    effects of two perturbations multiply there instead of adding up.

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
        return np.maximum(np.exp(np.minimum(x, 5.0)) - _OFFSET, 0.0)
    return np.log(np.maximum(x, 0.0) + _OFFSET)
