from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from sctabnet.ops._torch.row_index import row_index


def keep_support(weights_k: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """List where weights are not zero; waits for the device, which alone knows how many are."""
    kept = weights_k.nonzero()[:, 0]
    counts_n = row_index(offsets, len(weights_k))[kept].bincount(minlength=len(offsets) - 1)
    return kept, F.pad(counts_n.cumsum(0), (1, 0))
