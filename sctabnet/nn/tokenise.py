"""Turn a minibatch into the token lists that the encoder reads."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.nn.corrupt import Corruption
from sctabnet.nn.tokens import Tokens
from sctabnet.ops import list_tokens, row_index, segment_sum

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
    indices, offsets, panel = minibatch.indices, minibatch.offsets, minibatch.measured
    if corruption is not None:
        kept_n = segment_sum(corruption.keep.to(x_k.dtype), offsets).to(torch.int64)
        offsets = torch.nn.functional.pad(kept_n.cumsum(0), (1, 0))
        indices, x_k = indices[corruption.keep], x_k[corruption.keep]
    if support == "panel":
        listed = panel[minibatch.source_ids]
        if corruption is not None:
            listed = listed.clone()
            listed[row_index(corruption.offsets), corruption.indices] = False
        dense = x_k.new_zeros(len(minibatch), len(mean_g))
        dense[row_index(offsets), indices] = x_k
        offsets = torch.nn.functional.pad(listed.sum(1).cumsum(0), (1, 0))
        indices, x = listed.nonzero()[:, 1].int(), dense[listed]
        scaled = x / std_g[indices]
    else:
        indices, offsets, x, scaled = list_tokens(x_k, indices, offsets, std_g)
    return Tokens(
        indices=indices,
        offsets=offsets,
        x=x,
        scaled=scaled,
        centre=torch.nn.functional.pad(mean_g / std_g, (0, 1), value=-1),
        panel=panel,
        source_ids=minibatch.source_ids,
        hidden_indices=None if corruption is None else corruption.indices,
        hidden_offsets=None if corruption is None else corruption.offsets,
    )
