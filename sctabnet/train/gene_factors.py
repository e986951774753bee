"""How genes spread and vary together, seen without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from sctabnet.data.corpus import Corpus
from sctabnet.model.network import Network
from sctabnet.nn.gene_encoder import N_AXES
from sctabnet.train.gene_statistics import STD_FLOOR
from sctabnet.train.log1p_matrix import log1p_matrix
from sctabnet.train.principal_axes import principal_axes

MAX_CELLS = 6_000
MIN_NOISE = 1e-3  # of a gene's log1p values: rarely expressed genes must not tell too much
POWERS = (0.0, 0.5)  # of its spread that a gene is divided by before axes are sought
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GeneFactors:
    """The spread of each gene, and principal axes of raw and of scaled log1p values.

    Parameters
    ----------
    std_g
        float64 (g,), at least 0.25 as in ``gene_statistics``.
    loadings_gqa
        float64 (g, 2, 50), for each of ``POWERS`` the axes, scaled by the spread along them; 0
        where there are fewer.
    noise_g
        float64 (g,), the variance of raw values that their axes leave.
    """

    std_g: Array
    loadings_gqa: Array
    noise_g: Array

    @classmethod
    def of(
        cls, corpus: Corpus, rows: NDArray[np.int64], mean_g: Tensor, *, random_state: int
    ) -> Self:
        """Look at cells, labelled or not: at most 6,000 of the rows.

        Genes that a cell's source did not measure take their mean, ``mean_g``.
        """
        if len(rows) > MAX_CELLS:
            rows = np.sort(np.random.default_rng(random_state).permutation(rows)[:MAX_CELLS])
        x = log1p_matrix(corpus, rows, mean_g)
        squares, mean = (np.asarray(m.mean(0)).ravel() for m in (x.multiply(x), x))
        variance = np.maximum(squares - mean**2, 0)
        std = np.sqrt(np.maximum(variance, STD_FLOOR**2))
        loadings = np.zeros((len(mean), len(POWERS), N_AXES))
        for q, power in enumerate(POWERS):
            scale = std**-power
            scaled, centre = sp.csr_array(x @ sp.diags_array(scale)), mean * scale
            axes = principal_axes(scaled, centre, N_AXES)
            along = scaled @ axes - centre @ axes
            loadings[:, q, : axes.shape[1]] = axes * along.std(0)
        noise = np.maximum(variance - np.square(loadings[:, 0]).sum(1), MIN_NOISE)
        return cls(std, loadings, noise)

    @classmethod
    def of_pretraining(cls, network: Network) -> Self | None:
        """Return what :meth:`put_into` wrote when the network was pretrained, or None.

        The noise is not kept, and 0 here.
        """
        encoder = network.encoder
        if not bool(encoder.loadings.any()):
            return None
        std, loadings = (t.double().numpy() for t in (encoder.std, encoder.loadings))
        return cls(std, loadings, np.zeros(len(std)))

    def put_into(self, network: Network) -> None:
        """Keep the axes in a pretrained network; it has the spread of its genes already."""
        network.encoder.loadings.copy_(torch.from_numpy(self.loadings_gqa))
