from __future__ import annotations

import torch
from torch import Tensor


def narrow(indices_k: Tensor) -> Tensor:
    """Return gene ids as int32, which half the memory traffic needs; int32 ones as they are.

    An id outside int32 becomes one that no table has either.

    Raises
    ------
    ValueError
        If the ids are neither int32 nor int64.
    """
    if indices_k.dtype == torch.int32:
        return indices_k
    if indices_k.dtype != torch.int64:
        raise ValueError(
            f"`indices` must be int32 or int64 gene ids. Found {indices_k.dtype}. "
            "Call `indices.int()`."
        )
    return indices_k.clamp(-1, torch.iinfo(torch.int32).max).int()
