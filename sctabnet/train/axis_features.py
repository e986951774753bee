"""Features under which genes that vary together share what the labels teach."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[np.float64]
STRENGTH = 3.0


class AxisFeatures:
    r"""Scaled genes, and beside them a cell's place along the main axes of variation.

    A ridge penalty on weights of these features is one on the genes' weights with the prior
    covariance

    .. math:: S (I + \frac{\rho^2}{m} \sum_{i=1}^m V_i V_i^T) S,
        \qquad S = \mathrm{diag}(\sigma^{-q}),

    where the columns of each V are principal axes of :math:`S x` over one of m sets of cells,
    labelled or not, and :math:`\rho = 3`: weights along a direction in which cells vary cost
    little, so that a few labelled cells settle the weight of a whole programme of genes. The model
    stays linear in the genes.

    Parameters
    ----------
    std_g
        float64 (g,) spread of each gene.
    *loadings
        float64 (g, a) each, V with columns of any length; zero columns are left out. Sets that were
        seen in the same cells, before and after pretraining, say together what either says.
    power
        q: 0 for log1p values as they are, where abundant genes decide, to 1 for standardised
        ones, where rare genes are as loud as any other.
    """

    def __init__(self, std_g: Array, *loadings: Array, power: float) -> None:
        self._scale = std_g**-power
        axes_ga = np.hstack(loadings)
        lengths = np.linalg.norm(axes_ga, axis=0)
        strength = STRENGTH / np.sqrt(len(loadings))
        self._axes = strength * axes_ga[:, lengths > 0] / lengths[lengths > 0]

    def of(self, x: sp.csr_array) -> sp.csr_array:
        """Return the features (n, g + a) of cells (n, g) of log1p values."""
        scaled = sp.csr_array(x @ sp.diags_array(self._scale))
        return sp.csr_array(sp.hstack([scaled, sp.csr_array(scaled @ self._axes)]))

    def to_genes(self, weight: Array) -> Array:
        """Return weights (g, c) of the genes, of weights (g + a, c) of the features."""
        n_genes = len(self._scale)
        return self._scale[:, None] * (weight[:n_genes] + self._axes @ weight[n_genes:])
