from __future__ import annotations

from torch import Tensor

from sctabnet.ops._check_ragged import index_message


def raise_bad_index(bad_row: int, indices_k: Tensor, n_genes: int) -> None:
    """Raise IndexError where a kernel met an id outside the table (``bad_row`` >= 0)."""
    if bad_row >= 0:
        raise IndexError(index_message(int(indices_k.min()), int(indices_k.max()), n_genes))
