"""The embedding to look at cells by: principal axes of the genes, then a correction of batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from sctabnet.nn.batch_mixture import BatchMixture
from sctabnet.nn.gene_table import GeneTable
from sctabnet.nn.tokens import Tokens
from sctabnet.ops import gene_sum

PULL = 0.5


class IntegrateHead(nn.Module):
    r"""Embedding of a cell that its batch, if any is known, has been taken off.

    :math:`z = A(x - \mu)` over the genes that the panel measured, with the principal axes of
    genes that vary within batches, each shrunk to the part of its variance that stands above the
    noise; then a :class:`~sctabnet.nn.batch_mixture.BatchMixture`. Like the wide term of the label
    head z is linear in the genes: the encoder's own output, corrected in the same way, mixed
    batches less well, alone and added to z, on all data that it was measured on, and without
    batches it told types apart less well (pbmc_wide, 15 neighbours, macro-F1 .78 and .81).

    Where the model has labels, the cell moves half way to the mean of its label, weighted by the
    label's calibrated probability.

    Parameters
    ----------
    gene_keys_g
        int64 (g,), one key per gene.
    mixture
        Correction of the batches.
    n_labels
        Number of labels c; 0 for none.
    """

    mean: Tensor
    centres: Tensor

    def __init__(self, gene_keys_g: Tensor, mixture: BatchMixture, n_labels: int = 0) -> None:
        super().__init__()
        dim = mixture.clusters.shape[2]
        self.axes = GeneTable(gene_keys_g, dim, name="axes", std=0)
        self.axes.weight.requires_grad_(False)
        # of the cells that the axes come from, all batches among them, unlike the encoder's
        self.register_buffer("mean", torch.zeros(len(gene_keys_g)))
        self.mixture = mixture
        self.register_buffer("centres", torch.zeros(n_labels, dim))

    @classmethod
    def of_saved(cls, gene_keys_g: Tensor, tensors: Mapping[str, Tensor]) -> Self | None:
        """Make a head of the sizes in a network's saved tensors, or None if it had none.

        Their values are not copied.
        """
        if "integrate.centres" not in tensors:
            return None
        n_rounds, n_rows, n_clusters, dim = tensors["integrate.mixture.shifts"].shape
        mixture = BatchMixture(n_rounds, n_clusters, n_rows - 1, dim)
        return cls(gene_keys_g, mixture, len(tensors["integrate.centres"]))

    def forward(
        self, tokens: Tokens, batch_n: Tensor, probability_nc: Tensor | None = None
    ) -> Tensor:
        """Return the embedding (n, d).

        Parameters
        ----------
        tokens
            The cells' lists.
        batch_n
            int64 (n,) batch of each cell, 0 = unknown.
        probability_nc
            (n, c) calibrated probabilities of the labels, where the model has labels.
        """
        return self.pull(self.mixture(self.linear(tokens), batch_n), probability_nc)

    def linear(self, tokens: Tokens) -> Tensor:
        """Return the cells (n, d) before correction."""
        table = self.axes()
        centre = (tokens.panel * self.mean) @ table[:-1]
        whole = gene_sum(tokens.x, tokens.indices, tokens.offsets, table)
        return whole - centre[tokens.source_ids]

    def pull(self, z_nd: Tensor, probability_nc: Tensor | None) -> Tensor:
        """Return the cells moved towards their labels."""
        if probability_nc is None or not len(self.centres):
            return z_nd
        return torch.lerp(z_nd, probability_nc.to(self.centres) @ self.centres, PULL)
