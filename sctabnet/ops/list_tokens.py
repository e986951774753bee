from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import check_indices, check_lists, check_offsets
from sctabnet.ops._narrow import narrow
from sctabnet.ops.backend import backend_for


def list_tokens(
    x_k: Tensor, indices_k: Tensor, offsets: Tensor, std_g: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scale each listed value by its gene and end every list with an absent token.

    Parameters
    ----------
    x_k
        (k,) float32 values; gets a gradient.
    indices_k
        (k,) int32 or int64 gene ids.
    offsets
        (n + 1,) int64, ascending from 0 to k.
    std_g
        (g,) float32 scale per gene.

    Returns
    -------
    Of the longer lists, with ``t = k + n``: the indices (t,), int32, the absent token being gene g;
    the offsets (n + 1,); x (t,) and ``x / std`` (t,), both 0 for the absent token.

    Raises
    ------
    ValueError
        If the shapes or the offsets do not fit.
    IndexError
        If an index lies outside the genes.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1)
    >>> indices, *_ = list_tokens(one, torch.tensor([0]), torch.tensor([0, 1, 1]), one)
    >>> indices
    tensor([0, 1, 1], dtype=torch.int32)
    """
    check_lists(offsets, len(indices_k), x_k=x_k, indices_k=indices_k)
    check_offsets(offsets, len(indices_k))
    indices_k = narrow(indices_k)
    # one pass saves ten on the CPU; a GPU hides them, and gradients to x are for explanations
    if backend_for(x_k) != "numba" or x_k.requires_grad:
        check_indices(indices_k, len(std_g))
        return _torch.list_tokens(x_k, indices_k, offsets, std_g)
    return _library.list_tokens(x_k, indices_k, offsets, std_g)
