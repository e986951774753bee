from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import check_indices, check_lists, check_offsets, check_table
from sctabnet.ops._narrow import narrow
from sctabnet.ops._wide import wide
from sctabnet.ops.backend import backend_for


def gene_sum(values_k: Tensor, indices_k: Tensor, offsets: Tensor, table_gd: Tensor) -> Tensor:
    """Sum each cell's listed gene embeddings, weighted by its values.

    ``out[i] = sum over listed genes j of cell i of values[j] * table[indices[j]]``: the first
    linear layer of a network over genes, at the cost of the genes that are listed.

    Parameters
    ----------
    values_k
        (k,) float weights; gets a gradient.
    indices_k
        (k,) int32 or int64 rows of the table.
    offsets
        (n + 1,) int64, ascending from 0 to k.
    table_gd
        (g, d) float embeddings; gets a gradient.  bfloat16 is summed in float32.

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
    >>> table = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> gene_sum(torch.tensor([2.0, 3.0]), torch.tensor([0, 1]), torch.tensor([0, 2, 2]), table)
    tensor([[2., 3.],
            [0., 0.]])
    """
    check_lists(offsets, len(indices_k), values_k=values_k, indices_k=indices_k)
    check_table(table_gd, "table_gd")
    indices_k = narrow(indices_k)
    check_offsets(offsets, len(indices_k))
    dtype = wide(values_k, table_gd)
    values_k = values_k.to(dtype)
    if backend_for(values_k) == "torch":
        check_indices(indices_k, len(table_gd))
        return _torch.gene_sum(values_k, indices_k, offsets, table_gd)
    return _library.gene_sum(values_k, indices_k, offsets, table_gd)
