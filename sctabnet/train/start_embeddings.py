"""Start the gene embeddings from the principal axes of the training cells."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from sctabnet.data.corpus import Corpus
from sctabnet.model.network import Network
from sctabnet.train.log1p_matrix import log1p_matrix
from sctabnet.train.principal_axes import principal_axes

MAX_CELLS = 20_000
SCALE = 0.1


def start_embeddings(
    network: Network, corpus: Corpus, rows: NDArray[np.int64], *, random_state: int
) -> None:
    """Set the value half of the gene embeddings to principal axes, in place.

    The first layer of the encoder is a sum of gene embeddings. Drawn at random it mixes every
    gene into every unit and a few thousand cells cannot undo that; with the principal axes of the
    standardised values (scaled, as in scanpy) it starts as a PCA of the cell, the closed-form
    optimum of linear reconstruction. The gate half keeps its random start.

    Parameters
    ----------
    network
        Its ``encoder.mean`` and ``encoder.std`` are set already.
    corpus
        Where the cells are read from.
    rows
        Training rows; at most 20,000 of them are used.
    random_state
        Seed of the sample of rows.
    """
    encoder = network.encoder
    if len(rows) > MAX_CELLS:
        rows = np.sort(np.random.default_rng(random_state).permutation(rows)[:MAX_CELLS])
    mean, std = encoder.mean.double().numpy(), encoder.std.double().numpy()
    x = log1p_matrix(corpus, rows, encoder.mean) @ sp.diags_array(1 / std)
    axes = principal_axes(sp.csr_array(x), mean / std, encoder.config.n_d + encoder.config.n_a)
    if not axes.shape[1]:
        return
    axes *= SCALE / max(axes.std(), 1e-12)
    with torch.no_grad():
        encoder.embeddings.weight[:-1, : axes.shape[1]] = torch.from_numpy(axes).float()
