"""Plain-torch references: the definition of every operation, on any device."""

from sctabnet.ops._torch.attend import attend
from sctabnet.ops._torch.binomial_quantile import binomial_quantile
from sctabnet.ops._torch.gene_dot import gene_dot
from sctabnet.ops._torch.gene_sum import gene_sum
from sctabnet.ops._torch.list_tokens import list_tokens
from sctabnet.ops._torch.ragged_entmax import ragged_entmax
from sctabnet.ops._torch.row_index import row_index
from sctabnet.ops._torch.scale_rows import scale_rows
from sctabnet.ops._torch.segment_sum import segment_sum

__all__ = [
    "attend",
    "binomial_quantile",
    "gene_dot",
    "gene_sum",
    "list_tokens",
    "ragged_entmax",
    "row_index",
    "scale_rows",
    "segment_sum",
]
