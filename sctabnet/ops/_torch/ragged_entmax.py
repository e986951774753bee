from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.ops._check_ragged import check_logits
from sctabnet.ops._torch.row_index import row_index
from sctabnet.ops._torch.segment_sum import segment_sum


def ragged_entmax(logits_k: Tensor, offsets: Tensor, alpha: float) -> Tensor:
    """Find each row's support by sorting, then write the mask in closed form over it.

    Only the support is found without gradient: given the support, the threshold is a smooth
    function of the logits, so that autograd gives entmax's exact Jacobian.
    """
    rows_k = row_index(offsets, len(logits_k))
    sorted_nl = _sort_rows(logits_k.detach(), offsets, rows_k)
    check_logits(sorted_nl[:, 0], offsets)
    centred_k = logits_k - sorted_nl[:, 0][rows_k]
    if alpha == 1:
        raised_k = centred_k.exp()
        return raised_k / segment_sum(raised_k, offsets)[rows_k]
    sorted_nl = (alpha - 1) * (sorted_nl - sorted_nl[:, :1])
    threshold_n = _support_threshold(sorted_nl, alpha)
    scaled_k = (alpha - 1) * centred_k
    inside_k = scaled_k.detach() >= threshold_n[rows_k]
    # outside the support values may be -inf, whose products would be NaN
    scaled_k = torch.where(inside_k, scaled_k, 0.0)
    size_n = segment_sum(inside_k.to(scaled_k.dtype), offsets).clamp(min=1)
    mean_n = segment_sum(scaled_k, offsets) / size_n
    if alpha == 2:
        tau_n = mean_n - 1 / size_n
        return torch.where(inside_k, scaled_k - tau_n[rows_k], 0.0).clamp(min=0)
    spread_k = torch.where(inside_k, (scaled_k - mean_n[rows_k]) ** 2, 0.0)
    tau_n = mean_n - ((1 - segment_sum(spread_k, offsets)).clamp(min=0) / size_n).sqrt()
    return torch.where(inside_k, scaled_k - tau_n[rows_k], 0.0).clamp(min=0) ** 2


def _sort_rows(logits_k: Tensor, offsets: Tensor, rows_k: Tensor) -> Tensor:
    """Lay the rows out as a padded matrix, each in descending order."""
    lengths = offsets.diff()
    n_columns = max(int(lengths.max()), 1) if len(lengths) else 1
    padded_nl = logits_k.new_full((len(lengths), n_columns), float("-inf"))
    columns_k = torch.arange(len(logits_k), device=logits_k.device) - offsets[rows_k]
    padded_nl[rows_k, columns_k] = logits_k
    return padded_nl.sort(dim=1, descending=True).values


def _support_threshold(sorted_nl: Tensor, alpha: float) -> Tensor:
    """Return the smallest scaled logit of each row's support (Peters et al. 2019, algorithm 2)."""
    finite_nl = sorted_nl.isfinite()
    z_nl = torch.where(finite_nl, sorted_nl, 0.0)
    rank_l = torch.arange(1, z_nl.shape[1] + 1, device=z_nl.device, dtype=z_nl.dtype)
    if alpha == 2:
        inside_nl = 1 + rank_l * z_nl > z_nl.cumsum(1)
    else:
        mean_nl = z_nl.cumsum(1) / rank_l
        spread_nl = (z_nl**2).cumsum(1) - rank_l * mean_nl**2
        tau_nl = mean_nl - ((1 - spread_nl).clamp(min=0) / rank_l).sqrt()
        inside_nl = tau_nl <= z_nl
    inside_nl &= finite_nl
    size_n = inside_nl.sum(1).clamp(min=1)
    return sorted_nl.gather(1, size_n[:, None] - 1)[:, 0]
