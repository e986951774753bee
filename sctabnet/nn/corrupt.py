"""Choose the genes that masked pretraining hides and asks for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.nn.keyed_uniform import keyed_uniform
from sctabnet.ops import row_index


@dataclass(slots=True)
class Corruption:
    """What was hidden: a mask over the listed genes, and the ragged list of genes asked for.

    Parameters
    ----------
    keep
        bool (nnz,), False for listed genes that leave the list.
    indices, offsets
        int32 (q,) and int64 (n + 1,): the asked genes of each cell, ascending.
    x
        float32 (q,), the true log1p values; 0 for silent genes.
    weights
        float32 (q,), how many hidden genes each asked gene stands for.
    """

    keep: Tensor
    indices: Tensor
    offsets: Tensor
    x: Tensor
    weights: Tensor


def corrupt(
    minibatch: Minibatch,
    x_k: Tensor,
    gene_keys_g: Tensor,
    *,
    mask_ratio: float,
    silent_per_expressed: float,
    seed: int,
    epoch: int,
) -> Corruption:
    """Hide a share of the expressed genes and of the measured silent genes.

    A hidden gene leaves the list: one that stayed would give away that it is expressed. Silent
    genes are asked for too, but only genes that the cell's source measured, and only a sample of
    them, weighted so that the loss is an unbiased estimate of the loss over all hidden genes.

    Every draw is keyed by (seed, epoch, row id, gene id), so it depends neither on column order
    nor on how cells are dealt to minibatches or processes.

    Parameters
    ----------
    minibatch
        n cells with nnz listed genes.
    x_k
        (nnz,) log1p of counts per 10,000.
    gene_keys_g
        int64 (g,) :func:`sctabnet.genes.gene_keys.gene_keys` of the vocabulary.
    mask_ratio
        Share of the genes to hide, in (0, 1).
    silent_per_expressed
        Silent genes asked for, for each expressed gene that is asked for.
    seed, epoch
        Keys of the draw.
    """
    n, n_genes = len(minibatch), len(gene_keys_g)
    rows, indices, row_ids = row_index(minibatch.offsets), minibatch.indices, minibatch.row_ids
    hide = keyed_uniform(seed, epoch, row_ids[rows], gene_keys_g[indices], 0) < mask_ratio
    hidden_n = torch.bincount(rows[hide], minlength=n)
    listed = torch.diff(minibatch.offsets)
    panel_size = minibatch.measured.sum(1)[minibatch.source_ids]

    # Draw genes of the cell's panel with replacement, then drop the expressed and the repeated.
    wanted = torch.ceil(hidden_n * silent_per_expressed).to(torch.int64)
    wanted = torch.minimum(wanted.clamp_min(1), panel_size - listed).clamp_min(0)
    draw_offsets = torch.nn.functional.pad(wanted.cumsum(0), (1, 0))
    draw_rows = row_index(draw_offsets)
    counter = torch.arange(len(draw_rows), device=rows.device) - draw_offsets[draw_rows]
    u = keyed_uniform(seed, epoch, row_ids[draw_rows], counter, 1)
    rank = (u * panel_size[draw_rows]).to(torch.int64)
    panel_order = torch.argsort(
        minibatch.measured.to(torch.int8), dim=1, descending=True, stable=True
    )
    gene = panel_order[minibatch.source_ids[draw_rows], rank]
    expressed_key = rows * n_genes + indices
    silent_key = torch.unique(draw_rows * n_genes + gene)
    if len(expressed_key):
        at = torch.searchsorted(expressed_key, silent_key).clamp_max(len(expressed_key) - 1)
        silent_key = silent_key[expressed_key[at] != silent_key]
    silent_rows = silent_key // n_genes
    silent_n = torch.bincount(silent_rows, minlength=n)
    stands_for = (panel_size - listed) * mask_ratio / silent_n.clamp_min(1)

    key = torch.cat([expressed_key[hide], silent_key])
    x = torch.cat([x_k[hide], x_k.new_zeros(len(silent_key))])
    weights = torch.cat([torch.ones_like(x_k[hide]), stands_for[silent_rows].to(x_k.dtype)])
    key, order = torch.sort(key)
    offsets = torch.nn.functional.pad((hidden_n + silent_n).cumsum(0), (1, 0))
    return Corruption(
        keep=~hide,
        indices=(key % n_genes).int(),
        offsets=offsets,
        x=x[order],
        weights=weights[order],
    )
