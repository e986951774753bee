from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import check_alpha, check_lists, check_offsets
from sctabnet.ops._wide import wide
from sctabnet.ops.backend import backend_for


def ragged_entmax(logits_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    """Turn each row of logits into a probability mask with exact zeros.

    Solves ``argmax_p <p, z> + H_alpha(p)`` over the simplex, row by row: softmax for alpha 1,
    1.5-entmax, and for alpha 2 sparsemax (Martins & Astudillo 2016; Peters, Niculae & Martins
    2019, "Sparse sequence-to-sequence models").

    Parameters
    ----------
    logits_k
        (k,) float; ``-inf`` marks a gene that may not be chosen.
    offsets
        (n + 1,) int64, ascending from 0 to k.
    alpha
        1, 1.5 or 2.

    Returns
    -------
    (k,) float32 (float64 for float64 logits); every non-empty row sums to 1.

    Raises
    ------
    ValueError
        If ``alpha`` is another number, shapes or offsets do not fit, or a row holds NaN or
        +inf or nothing but -inf.  On CUDA the device asserts instead, so as not to wait.

    Examples
    --------
    >>> import torch
    >>> ragged_entmax(torch.tensor([1.0, 0.5, -3.0, 7.0]), torch.tensor([0, 3, 4]), 2)
    tensor([0.7500, 0.2500, 0.0000, 1.0000])
    """
    check_alpha(alpha)
    check_lists(offsets, len(logits_k), logits_k=logits_k)
    check_offsets(offsets, len(logits_k))
    logits_k = logits_k.to(wide(logits_k))
    if backend_for(logits_k) == "torch":
        return _torch.ragged_entmax(logits_k, offsets, float(alpha))
    return _library.ragged_entmax(logits_k, offsets, float(alpha))
