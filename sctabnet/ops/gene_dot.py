from __future__ import annotations

from torch import Tensor

from sctabnet.ops import _torch
from sctabnet.ops._check_ragged import check_contents, check_lists, check_table
from sctabnet.ops._wide import wide


def gene_dot(query_na: Tensor, keys_ga: Tensor, indices_k: Tensor, offsets: Tensor) -> Tensor:
    """Multiply each cell's query with the keys of the genes that the cell lists.

    ``out[j] = <query[row of j], keys[indices[j]]>``: attention logits, or the decoded values of
    chosen genes.

    Parameters
    ----------
    query_na
        (n, a) float, one query per cell; gets a gradient.
    keys_ga
        (g, a) float, one key per gene; gets a gradient.
    indices_k
        (k,) int64 rows of the keys.
    offsets
        (n + 1,) int64, ascending from 0 to k.

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
    check_table(keys_ga, "keys_ga", indices_k)
    if query_na.shape != (len(offsets) - 1, keys_ga.shape[1]):
        raise ValueError(
            "`query_na` must hold one query per cell, as wide as the keys. Found shape "
            f"{tuple(query_na.shape)} where {(len(offsets) - 1, keys_ga.shape[1])} was expected. "
            "Make the queries from the same minibatch."
        )
    check_contents(offsets, len(indices_k), indices_k, len(keys_ga))
    dtype = wide(query_na, keys_ga)
    return _torch.gene_dot(query_na.to(dtype), keys_ga, indices_k, offsets)
