from __future__ import annotations

from torch import Tensor

from sctabnet.ops._torch.row_index import row_index


def gene_dot(
    query_na: Tensor, keys_ga: Tensor, bias_g: Tensor | None, indices_k: Tensor, offsets: Tensor
) -> Tensor:
    """Gather both sides and multiply; stores two (k, a) tensors."""
    rows_k = row_index(offsets, len(indices_k))
    logits_k = (query_na[rows_k] * keys_ga[indices_k].to(query_na.dtype)).sum(dim=1)
    return logits_k if bias_g is None else logits_k + bias_g[indices_k]
