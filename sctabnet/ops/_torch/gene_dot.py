from __future__ import annotations

from torch import Tensor

from sctabnet.ops._torch.row_index import row_index


def gene_dot(query_na: Tensor, keys_ga: Tensor, indices_k: Tensor, offsets: Tensor) -> Tensor:
    """Gather both sides and multiply; stores two (k, a) tensors."""
    rows_k = row_index(offsets, len(indices_k))
    return (query_na[rows_k] * keys_ga[indices_k].to(query_na.dtype)).sum(dim=1)
