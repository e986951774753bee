from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _torch


def row_index(offsets: Tensor, n_listed: int | None = None) -> Tensor:
    """Return the row that every listed gene belongs to.

    Parameters
    ----------
    offsets
        (n + 1,) int64, ascending from 0.
    n_listed
        Number of listed genes, where known: spares a GPU the wait for ``offsets[-1]``.

    Returns
    -------
    (k,) int64, ascending.

    Examples
    --------
    >>> import torch
    >>> row_index(torch.tensor([0, 2, 2, 3]))
    tensor([0, 0, 2])
    """
    return _torch.row_index(offsets, int(offsets[-1]) if n_listed is None else n_listed)
