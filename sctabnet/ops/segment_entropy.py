from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import check_lists, check_offsets
from sctabnet.ops._wide import wide
from sctabnet.ops.backend import backend_for


def segment_entropy(mask_k: Tensor, offsets: Tensor) -> Tensor:
    """Return the entropy of each row of a mask.

    ``-sum m log m`` in nats, at the cost of the mask's support: a gene of mask 0 adds nothing and
    gets no gradient, which behind sparsemax and entmax it could not pass on.

    Parameters
    ----------
    mask_k
        (k,) float, non-negative; gets a gradient on its support.
    offsets
        (n + 1,) int64, ascending from 0 to k.

    Returns
    -------
    (n,) float32 (float64 for a float64 mask); zero for an empty row.

    Raises
    ------
    ValueError
        If the shapes or the offsets do not fit.

    Examples
    --------
    >>> import torch
    >>> segment_entropy(torch.tensor([0.5, 0.5, 0.0, 1.0]), torch.tensor([0, 3, 4]))
    tensor([0.6931, 0.0000])
    """
    check_lists(offsets, len(mask_k), mask_k=mask_k)
    check_offsets(offsets, len(mask_k))
    mask_k = mask_k.to(wide(mask_k))
    if backend_for(mask_k) == "torch":
        return _torch.segment_entropy(mask_k, offsets)
    return _library.segment_entropy(mask_k, offsets)
