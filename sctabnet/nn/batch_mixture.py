"""Batch correction as a function of one cell: soft clusters, each with its own shift per batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIGMA = 0.1


class BatchMixture(nn.Module):
    r"""Mixture of linear corrections, applied in rounds.

    Every round assigns the cell, as the rounds before corrected it, to soft clusters by cosine,

    .. math::
        R_k \propto \exp(-2 (1 - \cos(z^{t-1}, y^t_k)) / \sigma + p^t_{bk}), \qquad
        z^t = z^0 - \sum_k R_k w^t_{bk}

    and takes off what its batch b adds to the clusters. It is Harmony's model (Korsunsky et al.,
    Nat Methods 2019) with the state of every round kept, so that the result depends on the cell
    and its batch alone: cells can be streamed, and new ones leave the others as they are. Row 0
    of the batches is "unknown" and adds nothing.

    Parameters
    ----------
    n_rounds, n_clusters, n_batches, dim
        Sizes; the buffers are zeros until they are filled.
    """

    clusters: Tensor
    prior: Tensor
    means: Tensor
    shifts: Tensor

    def __init__(self, n_rounds: int, n_clusters: int, n_batches: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("clusters", torch.zeros(n_rounds, n_clusters, dim))
        self.register_buffer("prior", torch.zeros(n_rounds, n_batches + 1, n_clusters))
        # where cells of a cluster lie without their batch's shift: new batches are mapped there
        self.register_buffer("means", torch.zeros(n_rounds, n_clusters, dim))
        self.register_buffer("shifts", torch.zeros(n_rounds, n_batches + 1, n_clusters, dim))

    def forward(self, z_nd: Tensor, batch_n: Tensor) -> Tensor:
        """Return the corrected cells (n, dim).

        Parameters
        ----------
        z_nd
            (n, dim) cells before correction.
        batch_n
            int64 (n,) batch of each cell, 0 = unknown.
        """
        corrected = z_nd
        for step in range(len(self.clusters)):
            share = self.assign(corrected, step, self.prior[step][batch_n])
            shift = torch.bmm(share[:, None, :], self.shifts[step][batch_n]).squeeze(1)
            corrected = z_nd - shift
        return corrected

    def assign(self, z_nd: Tensor, step: int, prior_nk: Tensor | float = 0.0) -> Tensor:
        """Return the cells' shares (n, k) in the clusters of one round."""
        cosine = nn.functional.normalize(z_nd, dim=1) @ self.clusters[step].T
        return torch.softmax(-2 * (1 - cosine) / SIGMA + prior_nk, 1)
