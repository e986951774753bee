"""CUDA kernels in Triton: one program per row or per gene, no atomics, so results repeat exactly.

Importing this package imports triton, which `sctabnet.ops` does only for CUDA tensors.  With
`TRITON_INTERPRET=1` the same kernels run on CPU tensors, slowly: the tests do that.
"""

from sctabnet.ops._triton.gene_dot import gene_dot
from sctabnet.ops._triton.gene_sum import gene_sum
from sctabnet.ops._triton.keep_support import keep_support
from sctabnet.ops._triton.ragged_entmax import ragged_entmax
from sctabnet.ops._triton.ragged_entmax_grad import ragged_entmax_grad
from sctabnet.ops._triton.segment_entropy import segment_entropy
from sctabnet.ops._triton.segment_entropy_grad import segment_entropy_grad
from sctabnet.ops._triton.table_grad import table_grad

__all__ = [
    "gene_dot",
    "gene_sum",
    "keep_support",
    "ragged_entmax",
    "ragged_entmax_grad",
    "segment_entropy",
    "segment_entropy_grad",
    "table_grad",
]
