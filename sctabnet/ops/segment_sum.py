from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _torch
from sctabnet.ops._check_ragged import check_lists, check_offsets


def segment_sum(x_k: Tensor, offsets: Tensor) -> Tensor:
    """Sum each row of a ragged vector.

    Parameters
    ----------
    x_k
        (k,) float.
    offsets
        (n + 1,) int64, ascending from 0 to k.

    Returns
    -------
    (n,) of the dtype of ``x_k``; zero for an empty row.

    Raises
    ------
    ValueError
        If the shapes or the offsets do not fit.

    Examples
    --------
    >>> import torch
    >>> segment_sum(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 2, 2, 3]))
    tensor([3., 0., 3.])
    """
    check_lists(offsets, len(x_k), x_k=x_k)
    check_offsets(offsets, len(x_k))
    return _torch.segment_sum(x_k, offsets)
