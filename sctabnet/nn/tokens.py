"""The list that the encoder reads: which genes a cell shows, and their values on three scales."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(slots=True)
class Tokens:
    """Genes of a minibatch as ragged lists, one per cell, in canonical (ascending) order.

    Parameters
    ----------
    indices
        int32 (k,), row of the gene tables; the number of genes means the absent token.
    offsets
        int64 (n + 1,), where each cell's list starts.
    x
        float32 (k,), log1p of counts per 10,000; 0 for silent genes and the absent token.
    scaled
        float32 (k,), ``x / sigma_g``; 0 for the absent token.
    centre
        float32 (g + 1,), ``mu_g / sigma_g``; -1 for the absent token.
    panel
        float32 (n_sources, g), 1 where the source measured the gene.
    hidden_indices, hidden_offsets
        Genes that were taken from the list for masked pretraining, as ragged lists, or None.
    """

    indices: Tensor
    offsets: Tensor
    x: Tensor
    scaled: Tensor
    centre: Tensor
    panel: Tensor
    source_ids: Tensor
    hidden_indices: Tensor | None = None
    hidden_offsets: Tensor | None = None

    @property
    def nu(self) -> Tensor:
        """float32 (k,), ``(x - mu_g) / sigma_g``; 1 for the absent token."""
        return self.scaled - self.centre[self.indices]

    def __len__(self) -> int:
        return len(self.offsets) - 1
