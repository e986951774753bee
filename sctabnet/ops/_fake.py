"""Shapes that the custom operators give, for tracing: importing this module registers them."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.ops import _library as library


@library.gene_sum.register_fake
def _(values_k: Tensor, indices_k: Tensor, offsets: Tensor, table_gd: Tensor) -> Tensor:
    return values_k.new_empty(offsets.shape[0] - 1, table_gd.shape[1])


@library.gene_sum_backward.register_fake
def _(
    grad_nd: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    to_values: bool,
    to_table: bool,
) -> tuple[Tensor, Tensor]:
    return _empty(values_k, to_values), _empty(table_gd, to_table)


@library.attend.register_fake
def _(
    logits_k: Tensor,
    values_k: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    table_gd: Tensor,
    centre_g: Tensor | None,
    alpha: float,
) -> tuple[Tensor, Tensor, Tensor]:
    n = offsets.shape[0] - 1
    sum_nd = logits_k.new_empty(n, table_gd.shape[1])
    return torch.empty_like(logits_k), sum_nd, logits_k.new_empty(n)


@library.attend_backward.register_fake
def _(
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
    return _empty(mask_k, to_logits), _empty(values_k, to_values), _empty(table_gd, to_table)


@library.gene_dot.register_fake
def _(
    query_na: Tensor, keys_ga: Tensor, bias_g: Tensor | None, indices_k: Tensor, offsets: Tensor
) -> Tensor:
    return query_na.new_empty(indices_k.shape[0])


@library.gene_dot_backward.register_fake
def _(
    grad_k: Tensor,
    query_na: Tensor,
    keys_ga: Tensor,
    indices_k: Tensor,
    offsets: Tensor,
    to_bias: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    grad_g = keys_ga.new_empty(keys_ga.shape[0] if to_bias else 0)
    return torch.empty_like(query_na), torch.empty_like(keys_ga), grad_g


@library.ragged_entmax.register_fake
def _(logits_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    return torch.empty_like(logits_k)


@library.ragged_entmax_backward.register_fake
def _(grad_k: Tensor, mask_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    return torch.empty_like(mask_k)


@library.list_tokens.register_fake
def _(
    x_k: Tensor, indices_k: Tensor, offsets: Tensor, std_g: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n_tokens = x_k.shape[0] + offsets.shape[0] - 1
    x, scaled = (x_k.new_empty(n_tokens) for _ in range(2))
    return indices_k.new_empty(n_tokens), torch.empty_like(offsets), x, scaled


@library.scale_rows.register_fake
def _(values_k: Tensor, offsets: Tensor, total: float) -> Tensor:
    return torch.empty_like(values_k)


@library.binomial_quantile.register_fake
def _(counts_k: Tensor, kept_n: Tensor, level_k: Tensor, offsets: Tensor) -> Tensor:
    return torch.empty_like(counts_k)


def _empty(like: Tensor, wanted: bool) -> Tensor:
    return torch.empty_like(like) if wanted else like.new_empty(0)
