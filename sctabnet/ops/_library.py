"""The operations as custom operators of torch, so that autograd and `torch.compile` see them.

A backend (numba on the CPU, Triton on CUDA) brings eight kernels: the weighted sum of table rows
and its gradient to the table, the dot product with table rows, entmax and entropy with their
gradients, and the positions of a mask's support.  Everything else is composed of them here.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from sctabnet.ops.backend import backend_for


@custom_op("sctabnet::gene_sum", mutates_args=())
def gene_sum(values_k: Tensor, indices_k: Tensor, offsets: Tensor, table_gd: Tensor) -> Tensor:
    """Sum weighted table rows per cell."""
    kernels, args = _prepare(values_k, indices_k, offsets, table_gd)
    return kernels.gene_sum(*args)


@custom_op("sctabnet::gene_sum_backward", mutates_args=())
def gene_sum_backward(
    grad_nd: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    to_values: bool,
    to_table: bool,
) -> tuple[Tensor, Tensor]:
    """Return the gradients to values and table; an empty tensor for one that nobody asked for."""
    kernels, args = _prepare(grad_nd, values_k, indices_k, offsets, table_gd)
    grad_nd, values_k, indices_k, offsets, table_gd = args
    grad_k, grad_gd = values_k.new_empty(0), table_gd.new_empty(0)
    if to_values:
        grad_k = kernels.gene_dot(grad_nd, table_gd, None, indices_k, offsets)
    if to_table:
        grad_gd = kernels.table_grad(values_k, indices_k, offsets, grad_nd, len(table_gd))
    return grad_k, grad_gd.to(table_gd.dtype)


@custom_op("sctabnet::attend", mutates_args=())
def attend(
    logits_k: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_g: Tensor | None,
    alpha: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mask, the sum of weighted table rows where it is not zero, and its entropy."""
    kernels, args = _prepare(logits_k, values_k, indices_k, offsets, table_gd, centre_g)
    logits_k, values_k, indices_k, offsets, table_gd, centre_g = args
    mask_k = kernels.ragged_entmax(logits_k, offsets, alpha)
    kept, kept_offsets = kernels.keep_support(mask_k, offsets)
    mask, values, indices = _at(kept, mask_k, values_k, indices_k)
    weights = mask * _centred(values, indices, centre_g)
    sum_nd = kernels.gene_sum(weights, indices, kept_offsets, table_gd)
    return mask_k, sum_nd, kernels.segment_entropy(mask, kept_offsets)


@custom_op("sctabnet::attend_backward", mutates_args=())
def attend_backward(
    grad_k: Tensor | None,
    grad_nd: Tensor | None,
    grad_n: Tensor | None,
    mask_k: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_g: Tensor | None,
    alpha: float,
    to_logits: bool,
    to_values: bool,
    to_table: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients to logits, values and table; empty tensors where nobody asked.

    Everything is computed on the mask's support: the gradient of entmax is zero elsewhere.
    """
    kernels, args = _prepare(mask_k, values_k, indices_k, offsets, table_gd, centre_g)
    mask_k, values_k, indices_k, offsets, table_gd, centre_g = args
    kept, kept_offsets = kernels.keep_support(mask_k, offsets)
    mask, values, indices = _at(kept, mask_k, values_k, indices_k)
    values = _centred(values, indices, centre_g)
    grad_logits, grad_values, grad_gd = (table_gd.new_empty(0) for _ in range(3))
    grad = torch.zeros_like(mask)
    if grad_nd is not None:
        grad_nd = grad_nd.contiguous()
        if to_logits or to_values:
            products = kernels.gene_dot(grad_nd, table_gd, None, indices, kept_offsets)
            grad += products * values
        if to_values:
            grad_values = torch.zeros_like(values_k).index_copy_(0, kept, products * mask)
        if to_table:
            weights = mask * values
            grad_gd = kernels.table_grad(weights, indices, kept_offsets, grad_nd, len(table_gd))
    if to_logits:
        if grad_n is not None:
            grad += kernels.segment_entropy_grad(grad_n.contiguous(), mask, kept_offsets)
        if grad_k is not None:
            grad += grad_k if len(kept) == len(grad_k) else grad_k[kept]
        grad = kernels.ragged_entmax_grad(mask, grad, kept_offsets, alpha)
        grad_logits = torch.zeros_like(mask_k).index_copy_(0, kept, grad)
    return grad_logits, grad_values, grad_gd.to(table_gd.dtype)


@custom_op("sctabnet::gene_dot", mutates_args=())
def gene_dot(
    query_na: Tensor, keys_ga: Tensor, bias_g: Tensor | None, indices_k: Tensor, offsets: Tensor
) -> Tensor:
    """Multiply each cell's query with its listed keys and add their biases."""
    kernels, args = _prepare(query_na, keys_ga, bias_g, indices_k, offsets)
    return kernels.gene_dot(*args)


@custom_op("sctabnet::gene_dot_backward", mutates_args=())
def gene_dot_backward(
    grad_k: Tensor,
    query_na: Tensor,
    keys_ga: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    to_bias: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients to query, keys and bias, at the cost of the gradient's own support."""
    kernels, args = _prepare(grad_k, query_na, keys_ga, indices_k, offsets)
    grad_k, query_na, keys_ga, indices_k, offsets = args
    kept, offsets = kernels.keep_support(grad_k, offsets)
    (grad_k, indices_k), n_genes = _at(kept, grad_k, indices_k), len(keys_ga)
    to_query = kernels.gene_sum(grad_k, indices_k, offsets, keys_ga)
    to_keys = kernels.table_grad(grad_k, indices_k, offsets, query_na, n_genes)
    grad_g = keys_ga.new_empty(0)
    if to_bias:
        ones_n1 = torch.ones_like(query_na[:, :1])
        grad_g = kernels.table_grad(grad_k, indices_k, offsets, ones_n1, n_genes)[:, 0]
    return to_query, to_keys.to(keys_ga.dtype), grad_g


@custom_op("sctabnet::ragged_entmax", mutates_args=())
def ragged_entmax(logits_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    """Turn each row of logits into a mask."""
    kernels, args = _prepare(logits_k, offsets)
    return kernels.ragged_entmax(*args, alpha)


@custom_op("sctabnet::ragged_entmax_backward", mutates_args=())
def ragged_entmax_backward(grad_k: Tensor, mask_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    """Return the gradient to the logits."""
    kernels, (grad_k, mask_k, offsets) = _prepare(grad_k, mask_k, offsets)
    return kernels.ragged_entmax_grad(mask_k, grad_k, offsets, alpha)


@custom_op("sctabnet::list_tokens", mutates_args=())
def list_tokens(
    x_k: Tensor, indices_k: Tensor, offsets: Tensor, std_g: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scale each listed value by its gene and end every list with an absent token."""
    kernels, args = _prepare(x_k, indices_k, offsets, std_g)
    return kernels.list_tokens(*args)


@custom_op("sctabnet::scale_rows", mutates_args=())
def scale_rows(values_k: Tensor, offsets: Tensor, total: float) -> Tensor:
    """Scale each row so that its values sum to ``total``."""
    kernels, args = _prepare(values_k, offsets)
    return kernels.scale_rows(*args, total)


@custom_op("sctabnet::binomial_quantile", mutates_args=())
def binomial_quantile(counts_k: Tensor, kept_n: Tensor, level_k: Tensor, offsets: Tensor) -> Tensor:
    """Thin counts at given levels."""
    kernels, args = _prepare(counts_k, kept_n, level_k, offsets)
    return kernels.binomial_quantile(*args)


def _prepare(*tensors: Tensor | None) -> tuple[ModuleType, list[Any]]:
    """Load the kernels for these tensors and strip the tensors of graph and strides."""
    first = tensors[0]
    assert first is not None
    kernels = import_module(f"sctabnet.ops._{backend_for(first)}")
    return kernels, [None if t is None else t.detach().contiguous() for t in tensors]


def _at(kept: Tensor, *tensors: Tensor) -> list[Tensor]:
    """Take the kept entries; a mask without zeros keeps the tensors themselves."""
    return [t if len(kept) == len(t) else t[kept] for t in tensors]


def _centred(values_k: Tensor, indices_k: Tensor, centre_g: Tensor | None) -> Tensor:
    return values_k if centre_g is None else values_k - centre_g[indices_k]
