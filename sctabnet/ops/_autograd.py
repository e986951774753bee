"""Gradients and autocast rules of the custom operators: importing this module registers them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sctabnet.ops import _library as library


def _save_inputs(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _gene_sum(ctx: Any, grad_nd: Tensor) -> tuple[Tensor | None, ...]:
    to_values, _, _, to_table = ctx.needs_input_grad
    grad_k, grad_gd = library.gene_sum_backward(grad_nd, *ctx.saved_tensors, to_values, to_table)
    return grad_k if to_values else None, None, None, grad_gd if to_table else None


def _save_attend(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, *lists, ctx.alpha = inputs
    ctx.save_for_backward(output[0], *lists)
    ctx.set_materialize_grads(False)


def _attend(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    to_logits, to_values, _, _, to_table, *_ = ctx.needs_input_grad
    if grads[1] is None:  # nobody used the sum, which alone depends on values and table
        to_values = to_table = False
    grad_logits, grad_values, grad_gd = library.attend_backward(
        *grads, *ctx.saved_tensors, ctx.alpha, to_logits, to_values, to_table
    )
    return (
        grad_logits if to_logits else None,
        grad_values if to_values else None,
        None,
        None,
        grad_gd if to_table else None,
        None,
        None,
    )


def _save_gene_dot(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    query_na, keys_ga, _, indices_k, offsets = inputs
    ctx.save_for_backward(query_na, keys_ga, indices_k, offsets)


def _gene_dot(ctx: Any, grad_k: Tensor) -> tuple[Tensor | None, ...]:
    to_bias = ctx.needs_input_grad[2]
    to_query, to_keys, grad_g = library.gene_dot_backward(grad_k, *ctx.saved_tensors, to_bias)
    return to_query, to_keys, grad_g if to_bias else None, None, None


def _save_entmax(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, offsets, ctx.alpha = inputs
    ctx.save_for_backward(output, offsets)


def _entmax(ctx: Any, grad_k: Tensor) -> tuple[Tensor | None, ...]:
    return library.ragged_entmax_backward(grad_k, *ctx.saved_tensors, ctx.alpha), None, None


library.gene_sum.register_autograd(_gene_sum, setup_context=_save_inputs)
library.attend.register_autograd(_attend, setup_context=_save_attend)
library.gene_dot.register_autograd(_gene_dot, setup_context=_save_gene_dot)
library.ragged_entmax.register_autograd(_entmax, setup_context=_save_entmax)

# Sums over thousands of genes and entmax's threshold keep float32 inside autocast regions.
for _operator in (
    library.gene_sum,
    library.attend,
    library.gene_dot,
    library.ragged_entmax,
):
    for _device in ("cpu", "cuda"):
        _operator.register_autocast(_device, torch.float32)
