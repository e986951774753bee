from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.ops._torch.gene_sum import gene_sum
from sctabnet.ops._torch.ragged_entmax import ragged_entmax
from sctabnet.ops._torch.row_index import row_index
from sctabnet.ops._torch.segment_sum import segment_sum


def attend(
    logits_k: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_g: Tensor | None,
    alpha: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Shorten the lists to the mask's support and sum those rows."""
    mask_k = ragged_entmax(logits_k, offsets, alpha)
    kept = mask_k.detach().nonzero()[:, 0]
    rows = row_index(offsets, len(mask_k))[kept]
    counts = torch.bincount(rows, minlength=len(offsets) - 1)
    kept_offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    mask, values, indices = mask_k[kept], values_k[kept], indices_k[kept]
    if centre_g is not None:
        values = values - centre_g[indices]
    sum_nd = gene_sum(mask * values, indices, kept_offsets, table_gd)
    return mask_k, sum_nd, segment_sum(-mask * mask.log(), kept_offsets)
