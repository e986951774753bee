"""From an embedding to the values of the genes that were asked for, and of no others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sctabnet.nn.gene_table import GeneTable
from sctabnet.ops import gene_dot

MAX_LOG1P = 9.21044  # log1p(10,000): no gene can have more counts than the cell


class GeneDecoder(nn.Module):
    r"""Predict log1p of counts per 10,000: softplus(<state, r_g> + b_g) for asked genes g.

    Only the asked (cell, gene) pairs are decoded, so the cost follows their number and not the
    width of the genome.

    Parameters
    ----------
    gene_keys_g
        int64 (g,), one key per gene.
    n_in
        Width of the embedding.
    dim
        Width of the decoder's gene rows.
    covariate_dim
        Width of the covariate embedding, which the decoder reads too; 0 for none.
    seed
        Seed of the gene rows.
    """

    def __init__(
        self, gene_keys_g: Tensor, n_in: int, dim: int, *, covariate_dim: int = 0, seed: int = 0
    ) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_in + covariate_dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.state = nn.Linear(dim, dim)
        self.rows = GeneTable(gene_keys_g, dim, name="decoder", std=dim**-0.5, seed=seed)
        self.bias = GeneTable(gene_keys_g, 1, name="decoder_bias", std=0, seed=seed)

    @torch.no_grad()
    def start_at(self, mean_g: Tensor) -> None:
        """Set the biases so that the first prediction is each gene's mean.

        Parameters
        ----------
        mean_g
            (g,) mean of log1p of counts per 10,000.
        """
        value = mean_g.clamp(1e-3, MAX_LOG1P)
        self.bias.weight[:-1, 0] = value + torch.log(-torch.expm1(-value))  # inverse softplus

    def forward(
        self, embedding_nd: Tensor, indices: Tensor, offsets: Tensor, covariates_nd: Tensor | None
    ) -> Tensor:
        """Return predicted log1p values (q,) of the asked genes."""
        if covariates_nd is not None:
            embedding_nd = torch.cat([embedding_nd, covariates_nd], 1)
        state = self.state(torch.relu(self.norm(self.hidden(embedding_nd))))
        raw = gene_dot(state, self.rows(), indices, offsets, self.bias().squeeze(1))
        return torch.nn.functional.softplus(raw).clamp_max(MAX_LOG1P)
