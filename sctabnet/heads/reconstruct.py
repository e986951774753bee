"""Masked gene reconstruction: ask for hidden genes, score only what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sctabnet.nn.corrupt import Corruption
from sctabnet.nn.gene_decoder import GeneDecoder
from sctabnet.ops import row_index, segment_sum


class ReconstructHead(nn.Module):
    r"""Predict hidden genes from the embedding of the visible ones.

    Two losses, because two kinds of input carry different noise:

    - ``poisson``, for counts: :math:`L (\lambda - y \log \lambda)` with y and the predicted rate
      :math:`\lambda` in counts per 10,000 and L the cell's counts in units of 10,000. It is the
      Poisson likelihood of the raw counts; deep cells count for more, as they should.
    - ``gaussian``, for log1p-normalised values, whose sampling depth is lost:
      :math:`\frac12 ((\hat x - x) / \sigma_g)^2` on the log1p scale, with :math:`\sigma_g` floored,
      so that genes that are silent in nearly every cell cannot dominate.

    Parameters
    ----------
    gene_keys_g
        int64 (g,), one key per gene.
    n_in
        Width of the embedding.
    config
        Choices.
    covariate_dim
        Width of the covariate embedding; 0 for none.
    seed
        Seed of the gene rows.
    """

    @dataclass(kw_only=True)
    class Config:
        """Choices of masked pretraining."""

        mask_ratio: float = 0.5
        """Share of a cell's genes that is hidden."""
        silent_per_expressed: float = 1.0
        """Silent genes asked for, for each expressed one."""
        loss: Literal["auto", "poisson", "gaussian"] = "auto"
        """Noise model; auto takes poisson for counts and gaussian for log1p values."""
        dim: int = 64
        """Width of the decoder's gene rows."""

        def __post_init__(self) -> None:
            if not 0 < self.mask_ratio < 1:
                msg = f"mask_ratio must lie between 0 and 1. Found {self.mask_ratio}. Try 0.5."
                raise ValueError(msg)
            if self.loss not in ("auto", "poisson", "gaussian"):
                msg = f"loss={self.loss!r} is not known. Choose auto, poisson or gaussian."
                raise ValueError(msg)

    def __init__(
        self,
        gene_keys_g: Tensor,
        n_in: int,
        config: Config,
        *,
        covariate_dim: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config = config
        self.decoder = GeneDecoder(
            gene_keys_g, n_in, config.dim, covariate_dim=covariate_dim, seed=seed
        )

    def forward(
        self, embedding_nd: Tensor, asked: Corruption, covariates_nd: Tensor | None = None
    ) -> Tensor:
        """Return predicted log1p values (q,) of the asked genes."""
        return self.decoder(embedding_nd, asked.indices, asked.offsets, covariates_nd)

    def loss(
        self, predicted_q: Tensor, asked: Corruption, std_g: Tensor, depth_n: Tensor
    ) -> Tensor:
        """Return the mean over cells of each cell's weighted mean over its asked genes, a scalar.

        Parameters
        ----------
        predicted_q
            (q,) predicted log1p values.
        asked
            The asked genes, their true values and weights.
        std_g
            (g,) standard deviation of each gene, floored.
        depth_n
            (n,) counts per cell in units of 10,000; NaN where the input was log1p-normalised.
            Cells of weight 0 carry depth 0 and drop out.
        """
        depth_q = depth_n[row_index(asked.offsets)]
        gaussian = 0.5 * ((predicted_q - asked.x) / std_g[asked.indices]) ** 2
        if self.config.loss == "gaussian":
            loss_q = gaussian
        else:
            rate, target = torch.expm1(predicted_q), torch.expm1(asked.x)
            log_ratio = torch.log(rate.clamp_min(1e-8)) - torch.log(target.clamp_min(1e-8))
            # the deviance: the likelihood less its maximum, so that 0 is a perfect prediction
            poisson = (rate - target - target * log_ratio) * torch.nan_to_num(depth_q)
            loss_q = torch.where(torch.isfinite(depth_q), poisson, gaussian)
        asked_n = segment_sum(asked.weights, asked.offsets)
        loss_n = segment_sum(asked.weights * loss_q, asked.offsets) / asked_n.clamp_min(1e-12)
        counts_n = (asked_n > 0) & (depth_n != 0)
        return (loss_n * counts_n).sum() / counts_n.sum().clamp_min(1)
