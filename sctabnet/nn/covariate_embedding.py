"""Categorical covariates (batch, donor, assay) as one summed embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CovariateEmbedding(nn.Module):
    """Sum of one embedding per covariate; row 0 of each is "unknown".

    The unknown row is trained by dropping covariates at random, so that a batch which the model
    never saw is the trained default rather than an error.

    Parameters
    ----------
    n_levels
        Known levels of each covariate.
    dim
        Width of the embedding.
    dropout
        Probability with which a cell's covariate is replaced by "unknown" in training.
    """

    def __init__(self, n_levels: list[int], dim: int, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.dropout = dropout
        self.tables = nn.ModuleList(nn.Embedding(levels + 1, dim) for levels in n_levels)

    def forward(self, covariates_nb: Tensor, uniform_nb: Tensor | None = None) -> Tensor:
        """Return (n, dim).

        Parameters
        ----------
        covariates_nb
            int64 (n, covariates), 0 = unknown.
        uniform_nb
            Uniform numbers of the same shape that decide which covariates are dropped (training),
            or None to drop none.
        """
        if uniform_nb is not None:
            covariates_nb = torch.where(uniform_nb < self.dropout, 0, covariates_nb)
        return torch.stack([table(covariates_nb[:, i]) for i, table in enumerate(self.tables)]).sum(
            0
        )
