from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import check_lists, check_offsets
from sctabnet.ops.backend import backend_for


def binomial_quantile(counts_k: Tensor, kept_n: Tensor, level_k: Tensor, offsets: Tensor) -> Tensor:
    """Thin counts: how many of each are kept, as the quantile of a binomial at a given level.

    With uniform levels these are binomial draws; the same levels give the same draws wherever and
    however often they are asked for. The cost of one draw grows with its count, so large counts
    are better served by the normal limit.

    Parameters
    ----------
    counts_k
        (k,) float, whole numbers, not negative.
    kept_n
        (n,) float, each row's probability of keeping a count, strictly between 0 and 1.
    level_k
        (k,) float in (0, 1).
    offsets
        (n + 1,) int64, ascending from 0 to k.

    Returns
    -------
    (k,) whole numbers between 0 and ``counts_k``, of its dtype; without gradient.

    Raises
    ------
    ValueError
        If the shapes or the offsets do not fit.

    Examples
    --------
    >>> import torch
    >>> level = torch.tensor([0.2, 0.7, 0.7])
    >>> counts = torch.tensor([1.0, 1.0, 4.0])
    >>> binomial_quantile(counts, torch.tensor([0.5]), level, torch.tensor([0, 3]))
    tensor([0., 1., 3.])
    """
    check_lists(offsets, len(counts_k), counts_k=counts_k, level_k=level_k)
    check_offsets(offsets, len(counts_k))
    if backend_for(counts_k) != "numba":
        return _torch.binomial_quantile(counts_k, kept_n, level_k, offsets)
    return _library.binomial_quantile(counts_k, kept_n, level_k, offsets)
