"""Make training cells look as if measured with another panel and at another depth."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.nn.keyed_uniform import keyed_uniform
from sctabnet.ops import binomial_quantile, row_index

N_PANELS = 8
EXACT_BELOW = 32


def augment(
    minibatch: Minibatch,
    gene_keys_g: Tensor,
    *,
    panel_dropout: float,
    thinning: float,
    seed: int,
    epoch: int,
) -> Minibatch:
    """Return the cells with genes taken from their panel and counts thinned.

    A new atlas has another panel, chemistry and depth; a network that never saw that over-fits to
    those of the reference. Every cell takes one of eight random panels of the epoch: a gene that
    it lacks is *not measured*, not zero. Counts are then thinned binomially, the exact effect of
    shallower sequencing; log1p values are not thinned, their depth is lost.

    All draws are keyed by (seed, epoch, row id, gene id), so that the same cell is augmented the
    same way in whatever minibatch and process it is.

    Parameters
    ----------
    minibatch
        n cells.
    gene_keys_g
        int64 (g,), one key per gene.
    panel_dropout
        Mean share of the genes that a panel lacks; each panel's share is uniform between 0 and
        twice that (at most 0.9).
    thinning
        Largest share of its counts that a cell may lose; each cell's share is uniform from 0.
    seed, epoch
        Keys of the draw.
    """
    rows, row_ids = row_index(minibatch.offsets), minibatch.row_ids
    values, indices = minibatch.values, minibatch.indices
    measured, source_ids = minibatch.measured, minibatch.source_ids
    is_log1p = minibatch.is_log1p
    if thinning > 0:
        kept = 1 - thinning * keyed_uniform(seed, epoch, row_ids, 3)
        u = keyed_uniform(seed, epoch, row_ids[rows], gene_keys_g[indices], 4)
        thinned = _thin(values, kept, u, minibatch.offsets)
        values = torch.where(is_log1p[source_ids][rows], values, thinned)
    if panel_dropout > 0:
        panels = torch.arange(N_PANELS, device=values.device)
        share = (2 * panel_dropout * keyed_uniform(seed, epoch, panels, 5)).clamp_max(0.9)
        lacking = (
            keyed_uniform(seed, epoch, panels[:, None], gene_keys_g[None, :], 6) < share[:, None]
        )
        measured = (measured[:, None, :] & ~lacking[None]).flatten(0, 1)
        is_log1p = is_log1p.repeat_interleave(N_PANELS)
        panel = (keyed_uniform(seed, epoch, row_ids, 7) * N_PANELS).to(torch.int64)
        source_ids = source_ids * N_PANELS + panel
    listed = (values > 0) & measured[source_ids[rows], indices]
    lengths = torch.bincount(rows[listed], minlength=len(minibatch))
    return Minibatch(
        values=values[listed],
        indices=indices[listed],
        offsets=torch.nn.functional.pad(lengths.cumsum(0), (1, 0)),
        labels=minibatch.labels,
        covariates=minibatch.covariates,
        weights=minibatch.weights,
        row_ids=row_ids,
        source_ids=source_ids,
        measured=measured,
        is_log1p=is_log1p,
    )


def _thin(counts_k: Tensor, kept_n: Tensor, level_k: Tensor, offsets: Tensor) -> Tensor:
    """Return binomial quantiles: exact for small counts, by the normal limit for large ones."""
    is_small = counts_k < EXACT_BELOW
    small = torch.where(is_small, counts_k, 0.0).round()
    result = binomial_quantile(small, kept_n.clamp(1e-6, 1 - 1e-6), level_k, offsets)
    large = torch.nonzero(~is_small).squeeze(1)
    n, p = counts_k[large], kept_n[row_index(offsets)[large]]
    z = torch.special.ndtri(level_k[large].clamp(1e-6, 1 - 1e-6))
    result[large] = torch.round(n * p + torch.sqrt(n * p * (1 - p)) * z).clamp_min(0).minimum(n)
    return result
