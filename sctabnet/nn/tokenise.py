"""Turn a minibatch into the token lists that the encoder reads."""

from __future__ import annotations

from typing import Literal

import torch
from sctabnet.data.minibatch import Minibatch
from torch import Tensor

from sctabnet.nn.corrupt import Corruption
from sctabnet.nn.tokens import Tokens
from sctabnet.ops import row_index

Support = Literal["expressed", "panel"]


def tokenise(
    minibatch: Minibatch,
    x_k: Tensor,
    mean_g: Tensor,
    std_g: Tensor,
    *,
    support: Support = "expressed",
    corruption: Corruption | None = None,
) -> Tokens:
    """List the genes over which the masks of a cell may spread.

    Parameters
    ----------
    minibatch
        Cells, aligned to the vocabulary of g genes.
    x_k
        (nnz,) log1p of counts per 10,000 (:func:`sctabnet.nn.normalise.normalise`).
    mean_g, std_g
        (g,) centre and scale of each gene in the training corpus.
    support
        ``"expressed"``: the expressed genes and one absent token, so that a mask may also choose
        nothing; ``"panel"``: every gene that the cell's source measured, silent ones included.
    corruption
        Genes to take out of the list (masked pretraining), or None.

    Returns
    -------
    Tokens in ascending gene order, the absent token last.
    """
    n, n_genes = len(minibatch), len(mean_g)
    rows, indices = row_index(minibatch.offsets), minibatch.indices
    if corruption is not None:
        rows, indices, x_k = rows[corruption.keep], indices[corruption.keep], x_k[corruption.keep]
    panel = minibatch.measured
    if support == "panel":
        listed = panel[minibatch.source_ids]
        if corruption is not None:
            listed = listed.clone()
            listed[row_index(corruption.offsets), corruption.indices] = False
        dense = x_k.new_zeros(n, n_genes)
        dense[rows, indices] = x_k
        lengths = listed.sum(1)
        indices, x = listed.nonzero()[:, 1], dense[listed]
        nu = (x - mean_g[indices]) / std_g[indices]
        scaled = x / std_g[indices]
    else:
        lengths = torch.bincount(rows, minlength=n) + 1
        total = len(rows) + n
        position = torch.arange(len(rows), device=rows.device) + rows
        sigma = std_g[indices]
        x, scaled = x_k.new_zeros(total), x_k.new_zeros(total)
        nu, listed_indices = x_k.new_ones(total), indices.new_full((total,), n_genes)
        x[position] = x_k
        scaled[position] = x_k / sigma
        nu[position] = (x_k - mean_g[indices]) / sigma
        listed_indices[position] = indices
        indices = listed_indices
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    return Tokens(
        indices=indices,
        offsets=offsets,
        x=x,
        scaled=scaled,
        nu=nu,
        panel=panel,
        source_ids=minibatch.source_ids,
        hidden_indices=None if corruption is None else corruption.indices,
        hidden_offsets=None if corruption is None else corruption.offsets,
    )
