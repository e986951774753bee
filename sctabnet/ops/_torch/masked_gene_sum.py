from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.ops._torch.gene_sum import gene_sum
from sctabnet.ops._torch.row_index import row_index


def masked_gene_sum(
    mask_k: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_g: Tensor | None,
) -> Tensor:
    """Shorten the lists to the mask's support and sum those rows."""
    kept = mask_k.detach().nonzero()[:, 0]
    rows = row_index(offsets, len(mask_k))[kept]
    counts = torch.bincount(rows, minlength=len(offsets) - 1)
    kept_offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    values, indices = values_k[kept], indices_k[kept]
    if centre_g is not None:
        values = values - centre_g[indices]
    return gene_sum(mask_k[kept] * values, indices, kept_offsets, table_gd)
