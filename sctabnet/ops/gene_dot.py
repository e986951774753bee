from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _library, _torch
from sctabnet.ops._check_ragged import (
    check_bias,
    check_indices,
    check_lists,
    check_offsets,
    check_table,
)
from sctabnet.ops._narrow import narrow
from sctabnet.ops._wide import wide
from sctabnet.ops.backend import backend_for


def gene_dot(
    query_na: Tensor,
    keys_ga: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    bias_g: Tensor | None = None,
) -> Tensor:
    """Multiply each cell's query with the keys of the genes that the cell lists.

    ``out[j] = <query[row of j], keys[indices[j]]> + bias[indices[j]]``: attention logits, or the
    decoded values of chosen genes.

    Parameters
    ----------
    query_na
        (n, a) float, one query per cell; gets a gradient.
    keys_ga
        (g, a) float, one key per gene; gets a gradient.
    indices_k
        (k,) int32 or int64 rows of the keys.
    offsets
        (n + 1,) int64, ascending from 0 to k.
    bias_g
        (g,) float, added to the products of each gene, or None; gets a gradient.

    Returns
    -------
    (k,) float32, or float64 if an input is.

    Raises
    ------
    ValueError
        If shapes, dtypes or offsets do not fit.
    IndexError
        If an index lies outside the keys.

    Examples
    --------
    >>> import torch
    >>> keys = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> gene_dot(torch.tensor([[5.0, 7.0]]), keys, torch.tensor([0, 1]), torch.tensor([0, 2]))
    tensor([5., 7.])
    """
    check_lists(offsets, len(indices_k), indices_k=indices_k)
    check_table(keys_ga, "keys_ga")
    indices_k = narrow(indices_k)
    if query_na.shape != (len(offsets) - 1, keys_ga.shape[1]):
        raise ValueError(
            "`query_na` must hold one query per cell, as wide as the keys. Found shape "
            f"{tuple(query_na.shape)} where {(len(offsets) - 1, keys_ga.shape[1])} was expected. "
            "Make the queries from the same minibatch."
        )
    check_offsets(offsets, len(indices_k))
    query_na = query_na.to(wide(query_na, keys_ga))
    if bias_g is not None:
        check_bias(bias_g, keys_ga)
        bias_g = bias_g.to(query_na.dtype)
    if backend_for(query_na) == "torch":
        check_indices(indices_k, len(keys_ga))
        return _torch.gene_dot(query_na, keys_ga, bias_g, indices_k, offsets)
    return _library.gene_dot(query_na, keys_ga, bias_g, indices_k, offsets)
