from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import (
    check_alpha,
    check_indices,
    check_lists,
    check_offsets,
    check_table,
)
from sctabnet.ops._narrow import narrow
from sctabnet.ops._wide import wide
from sctabnet.ops.backend import backend_for


def attend(
    logits_k: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_g: Tensor | None = None,
    *,
    alpha: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose genes of each cell, and sum their embeddings at the cost of what was chosen.

    ``mask = ragged_entmax(logits, offsets, alpha)`` and ``out[i] = sum over listed genes j of cell
    i of mask[j] * (values[j] - centre[indices[j]]) * table[indices[j]]``. Genes with ``mask == 0``
    are skipped, forward and backward: exact, since sparsemax and entmax have no gradient there.

    Parameters
    ----------
    logits_k
        (k,) float; ``-inf`` marks a gene that may not be chosen. Gets a gradient.
    values_k
        (k,) float values; gets a gradient on the mask's support.
    indices_k
        (k,) int32 or int64 rows of the table.
    offsets
        (n + 1,) int64, ascending from 0 to k.
    table_gd
        (g, d) float embeddings; gets a gradient.
    centre_g
        (g,) float, taken off each value of gene g, or None; gets no gradient.
    alpha
        1 (softmax), 1.5 (entmax) or 2 (sparsemax), see :func:`~sctabnet.ops.ragged_entmax`.

    Returns
    -------
    The mask (k,), the sums (n, d), and the entropy of each cell's mask in nats (n,); float32, or
    float64 if an input is. Sum and entropy of an empty row are zero.

    Raises
    ------
    ValueError
        If shapes, dtypes, offsets or ``alpha`` do not fit, or a row of logits holds NaN or +inf or
        nothing but -inf. On CUDA the device asserts the latter, so as not to wait.
    IndexError
        If an index lies outside the table.

    Examples
    --------
    >>> import torch
    >>> logits, values = torch.tensor([0.0, 9.0]), torch.tensor([5.0, 3.0])
    >>> lists = torch.tensor([0, 1]), torch.tensor([0, 2])
    >>> attend(logits, values, *lists, torch.eye(2), alpha=2)
    (tensor([0., 1.]), tensor([[0., 3.]]), tensor([0.]))
    """
    check_alpha(alpha)
    check_lists(offsets, len(indices_k), logits_k=logits_k, values_k=values_k, indices_k=indices_k)
    check_table(table_gd, "table_gd")
    indices_k = narrow(indices_k)
    check_offsets(offsets, len(indices_k))
    dtype = wide(logits_k, values_k, table_gd)
    logits_k, values_k = logits_k.to(dtype), values_k.to(dtype)
    if centre_g is not None:
        if centre_g.shape != (len(table_gd),):
            raise ValueError(
                f"centre_g holds one number per row of the table, ({len(table_gd)},). "
                f"Found {tuple(centre_g.shape)}. Pass a vector as long as the table."
            )
        centre_g = centre_g.detach().to(dtype)
    args = (logits_k, values_k, indices_k, offsets, table_gd, centre_g, float(alpha))
    if backend_for(values_k) == "torch":
        check_indices(indices_k, len(table_gd))
        return _torch.attend(*args)
    return _library.attend(*args)
