from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from sctabnet.ops import _library
from sctabnet.ops._check_ragged import check_lists, check_offsets, check_table
from sctabnet.ops._narrow import narrow
from sctabnet.ops._wide import wide
from sctabnet.ops.backend import backend_for
from sctabnet.ops.gene_sum import gene_sum


def centred_gene_sum(
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_sg: Tensor,
    source_n: Tensor,
) -> Tensor:
    """Sum each cell's listed gene embeddings, less a sum over all genes that its source shares.

    ``out[i] = gene_sum(...)[i] - sum over genes g of centre[source[i], g] * table[g]``. Left to
    autograd, the two sums would each make a gradient as large as the table, to be added in a third
    pass; here the second is added onto the first.

    Parameters
    ----------
    values_k, indices_k, offsets, table_gd
        As of :func:`~sctabnet.ops.gene_sum`.
    centre_sg
        (s, g) float; gets no gradient.
    source_n
        int64 (n,), row of ``centre_sg`` that belongs to each cell.

    Returns
    -------
    (n, d), as of :func:`~sctabnet.ops.gene_sum`.

    Raises
    ------
    ValueError, IndexError
        See :func:`~sctabnet.ops.gene_sum`.

    Examples
    --------
    >>> import torch
    >>> table = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> listed = torch.tensor([2.0]), torch.tensor([0]), torch.tensor([0, 1])
    >>> centred_gene_sum(*listed, table, torch.tensor([[0.5, 3.0]]), torch.tensor([0]))
    tensor([[ 1.5000, -3.0000]])
    """
    indices_k, dtype = narrow(indices_k), wide(values_k, table_gd)
    values_k, centre_sg = values_k.to(dtype), centre_sg.to(dtype)
    if backend_for(values_k) == "torch":
        whole_nd = gene_sum(values_k, indices_k, offsets, table_gd)
        with torch.autocast(whole_nd.device.type, enabled=False):
            return whole_nd - (centre_sg @ table_gd.to(dtype))[source_n]
    check_table(table_gd, "table_gd")
    check_lists(offsets, len(indices_k), values_k=values_k, indices_k=indices_k)
    check_offsets(offsets, len(indices_k))
    return _operator(values_k, indices_k, offsets, table_gd, centre_sg, source_n)


@custom_op("sctabnet::centred_gene_sum", mutates_args=())
def _operator(
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_sg: Tensor,
    source_n: Tensor,
) -> Tensor:
    whole_nd = _library.gene_sum(values_k, indices_k, offsets, table_gd)
    return whole_nd - (centre_sg @ table_gd.to(centre_sg.dtype))[source_n]


@_operator.register_fake
def _(
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_sg: Tensor,
    source_n: Tensor,
) -> Tensor:
    return values_k.new_empty(offsets.shape[0] - 1, table_gd.shape[1])


def _save(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad_nd: Tensor) -> tuple[Tensor | None, ...]:
    *lists, centre_sg, source_n = ctx.saved_tensors
    to_values, _, _, to_table, *_ = ctx.needs_input_grad
    grad_k, grad_gd = _library.gene_sum_backward(grad_nd, *lists, to_values, to_table)
    if to_table:
        # a product, since adding by index has no fixed order on a GPU
        of_source = torch.nn.functional.one_hot(source_n, len(centre_sg)).T.to(grad_nd.dtype)
        grad_sd = (of_source @ grad_nd).to(grad_gd.dtype)
        grad_gd.addmm_(centre_sg.T.to(grad_gd.dtype), grad_sd, alpha=-1)
    return grad_k if to_values else None, None, None, grad_gd if to_table else None, None, None


_operator.register_autograd(_backward, setup_context=_save)
for _device in ("cpu", "cuda"):
    _operator.register_autocast(_device, torch.float32)
