"""Sparse operations over ragged gene lists: torch in, torch out, with autograd.

A minibatch is ``n`` lists of (gene id, value) laid end to end: ``indices_k`` and ``values_k``
hold all ``k`` listed genes, and cell ``i`` owns the slice ``offsets[i]:offsets[i + 1]``.  Cost
follows what a cell lists, not the number of genes that exist.

Suffixes: n cells, g genes, k listed genes of all cells, d embedding, a attention.
"""

from sctabnet.ops import _autograd as _autograd
from sctabnet.ops import _fake as _fake
from sctabnet.ops.attend import attend
from sctabnet.ops.backend import set_backend
from sctabnet.ops.binomial_quantile import binomial_quantile
from sctabnet.ops.centred_gene_sum import centred_gene_sum
from sctabnet.ops.gene_dot import gene_dot
from sctabnet.ops.gene_sum import gene_sum
from sctabnet.ops.list_tokens import list_tokens
from sctabnet.ops.ragged_entmax import ragged_entmax
from sctabnet.ops.row_index import row_index
from sctabnet.ops.scale_rows import scale_rows
from sctabnet.ops.segment_sum import segment_sum

__all__ = [
    "attend",
    "binomial_quantile",
    "centred_gene_sum",
    "gene_dot",
    "gene_sum",
    "list_tokens",
    "ragged_entmax",
    "row_index",
    "scale_rows",
    "segment_sum",
    "set_backend",
]
