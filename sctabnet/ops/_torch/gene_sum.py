from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def gene_sum(values_k: Tensor, indices_k: Tensor, offsets: Tensor, table_gd: Tensor) -> Tensor:
    """Sum weighted table rows with torch's embedding bag, which stores no (k, d) tensor."""
    table_gd = table_gd.to(values_k.dtype)
    if len(indices_k) == 0:
        # the bag refuses an empty list; the products keep both inputs in the graph
        nothing = values_k.sum() + table_gd[:0].sum()
        return nothing.expand(len(offsets) - 1, table_gd.shape[1]).clone()
    return F.embedding_bag(
        indices_k.long(),  # of the offsets' dtype
        table_gd,
        offsets,
        mode="sum",
        per_sample_weights=values_k,
        include_last_offset=True,
    )
