"""CPU kernels in numba: one pass over the lists, blocked so that table rows stay in cache.

Every kernel is plain sequential code that releases the interpreter; `run_parts` gives each of
torch's threads its own rows (or, for gradients of a table, its own genes).  No two threads write
the same number, so results do not depend on timing.
"""

from sctabnet.ops._numba.binomial_quantile import binomial_quantile
from sctabnet.ops._numba.gene_dot import gene_dot
from sctabnet.ops._numba.gene_sum import gene_sum
from sctabnet.ops._numba.keep_support import keep_support
from sctabnet.ops._numba.list_tokens import list_tokens
from sctabnet.ops._numba.ragged_entmax import ragged_entmax
from sctabnet.ops._numba.ragged_entmax_grad import ragged_entmax_grad
from sctabnet.ops._numba.scale_rows import scale_rows
from sctabnet.ops._numba.segment_entropy import segment_entropy
from sctabnet.ops._numba.segment_entropy_grad import segment_entropy_grad
from sctabnet.ops._numba.table_grad import table_grad

__all__ = [
    "binomial_quantile",
    "gene_dot",
    "gene_sum",
    "keep_support",
    "list_tokens",
    "ragged_entmax",
    "ragged_entmax_grad",
    "scale_rows",
    "segment_entropy",
    "segment_entropy_grad",
    "table_grad",
]
