from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import check_indices, check_lists, check_offsets, check_table
from sctabnet.ops._narrow import narrow
from sctabnet.ops._wide import wide
from sctabnet.ops.backend import backend_for


def masked_gene_sum(
    mask_k: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_g: Tensor | None = None,
) -> Tensor:
    """Sum each cell's attended gene embeddings, at the cost of the mask's support.

    ``out[i] = sum over listed genes j of cell i of mask[j] * values[j] * table[indices[j]]``,
    where genes with ``mask == 0`` are skipped, forward and backward.  The gradient to the mask
    is therefore zero outside its support.  Behind sparsemax and entmax this changes nothing,
    since their own gradient is zero there.

    Parameters
    ----------
    mask_k
        (k,) float attention; gets a gradient on its support.
    values_k
        (k,) float values; gets a gradient on the mask's support.
    indices_k
        (k,) int32 or int64 rows of the table.
    offsets
        (n + 1,) int64, ascending from 0 to k.
    table_gd
        (g, d) float embeddings; gets a gradient.
    centre_g
        (g,) float, taken off each listed value of gene g, or None; gets no gradient. Values less
        their centre need not exist for what no mask keeps.

    Returns
    -------
    (n, d) float32, or float64 if an input is; zeros for an empty row.

    Raises
    ------
    ValueError
        If shapes, dtypes or offsets do not fit.
    IndexError
        If an index lies outside the table.

    Examples
    --------
    >>> import torch
    >>> mask, values = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])
    >>> masked_gene_sum(mask, values, torch.tensor([0, 1]), torch.tensor([0, 2]), torch.eye(2))
    tensor([[0., 3.]])
    """
    check_lists(offsets, len(indices_k), mask_k=mask_k, values_k=values_k, indices_k=indices_k)
    check_table(table_gd, "table_gd")
    indices_k = narrow(indices_k)
    check_offsets(offsets, len(indices_k))
    dtype = wide(mask_k, values_k, table_gd)
    mask_k, values_k = mask_k.to(dtype), values_k.to(dtype)
    if backend_for(values_k) == "torch":
        check_indices(indices_k, len(table_gd))
        return _torch.masked_gene_sum(mask_k, values_k, indices_k, offsets, table_gd, centre_g)
    return _library.masked_gene_sum(mask_k, values_k, indices_k, offsets, table_gd, centre_g)
