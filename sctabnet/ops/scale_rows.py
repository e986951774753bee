from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import check_lists, check_offsets
from sctabnet.ops.backend import backend_for


def scale_rows(values_k: Tensor, offsets: Tensor, total: float) -> Tensor:
    """Scale each row so that its values sum to ``total``.

    Parameters
    ----------
    values_k
        (k,) float, not negative; gets a gradient.
    offsets
        (n + 1,) int64, ascending from 0 to k.
    total
        What every row sums to afterwards; a row that sums to 0 stays as it is.

    Returns
    -------
    (k,) of the dtype of ``values_k``.

    Raises
    ------
    ValueError
        If the shapes or the offsets do not fit.

    Examples
    --------
    >>> import torch
    >>> scale_rows(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0, 2, 3]), 8)
    tensor([2., 6., 8.])
    """
    check_lists(offsets, len(values_k), values_k=values_k)
    check_offsets(offsets, len(values_k))
    # a gradient is for explanations: the reference has one
    if backend_for(values_k) != "numba" or values_k.requires_grad:
        return _torch.scale_rows(values_k, offsets, float(total))
    return _library.scale_rows(values_k, offsets, float(total))
