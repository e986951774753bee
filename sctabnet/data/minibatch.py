from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(slots=True)
class Minibatch:
    """A few cells as ragged lists of (gene, value): plain dense tensors, no sparse layout.

    The i-th cell's genes are ``indices[offsets[i]:offsets[i + 1]]``, strictly ascending positions
    in the vocabulary, so that the order of an input's columns leaves no trace here.

    Attributes
    ----------
    values
        float32 (k,): as stored on disk, counts or log1p; never zero.
    indices
        int32 (k,): vocabulary positions, strictly ascending within a cell.
    offsets
        int64 (n + 1,): where each cell's list begins and ends.
    labels
        int64 (n,): class of each cell, -1 where it has none.
    covariates
        int64 (n, n_covariates): level of each covariate, 0 where it is unknown.
    weights
        float32 (n,): 0 marks a padding cell, which must enter no loss and no statistic.
    row_ids
        int64 (n,): the cell's row in the corpus, -1 for a padding cell.
    source_ids
        int64 (n,): row of ``measured`` and ``is_log1p`` that belongs to the cell.
    measured
        bool (n_sources, g): genes that each source measured. A gene that was not measured is
        absent, not zero. One tensor shared by all minibatches of a corpus.
    is_log1p
        bool (n_sources,): values are log1p-normalised instead of counts.
    """

    values: Tensor
    indices: Tensor
    offsets: Tensor
    labels: Tensor
    covariates: Tensor
    weights: Tensor
    row_ids: Tensor
    source_ids: Tensor
    measured: Tensor
    is_log1p: Tensor

    def __len__(self) -> int:
        return len(self.weights)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Minibatch:
        """Return the minibatch on ``device``."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Minibatch:
        """Return a copy in page-locked memory, from which a GPU copies without waiting."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function) -> Minibatch:  # type: ignore[no-untyped-def]
        return Minibatch(*(function(getattr(self, field.name)) for field in fields(self)))
