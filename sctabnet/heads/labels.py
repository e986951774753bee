"""Cell-type labels: a ridge logistic regression over genes plus a gated TabNet term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sctabnet.heads.missing_genes import MissingGenes
from sctabnet.nn.gene_table import GeneTable
from sctabnet.nn.tokens import Tokens
from sctabnet.ops import gene_dot, gene_sum

ClassWeight = Literal["none", "balanced"]


class LabelHead(nn.Module):
    r"""Logits of c labels: :math:`W_{lin}(x - \mu) + b + g \cdot H(\text{embedding})`.

    The wide term is the converged logistic regression on log1p values, whose ridge prior prefers
    weights that follow the axes along which cells vary
    (:class:`~sctabnet.train.axis_features.AxisFeatures`), centred so that a gene which a panel did
    not measure contributes what the average cell would. The gate g starts
    at 0: before training the model says what logistic regression says, and the TabNet term stays
    only where held-out cells are predicted better with it.

    Parameters
    ----------
    gene_keys_g
        int64 (g,), one key per gene.
    n_in
        Width of the embedding.
    n_labels
        Number of labels c.
    config
        Choices.
    """

    log_temperature: Tensor

    @dataclass(kw_only=True)
    class Config:
        """Choices of the label head."""

        wide: bool = True
        """Include the logistic regression over genes."""
        deep: bool = True
        """Include the TabNet term."""
        label_smoothing: float = 0.0
        """Label smoothing of the TabNet term's own loss."""
        class_weight: ClassWeight = "balanced"
        """Weights of the labels in what is fitted: "balanced" is inverse frequency, with which a
        query may hold every type as likely as any other; "none" expects the reference's shares.
        What is chosen by held-out cells (penalty, epoch, gate) counts them as they are."""
        focal_gamma: float = 0.0
        """Focal loss of the TabNet term: how much less a cell counts that is named well already."""

        def __post_init__(self) -> None:
            if not (self.wide or self.deep):
                msg = "wide and deep are both off. Switch at least one term of the label head on."
                raise ValueError(msg)
            if self.class_weight not in get_args(ClassWeight):
                known = list(get_args(ClassWeight))
                msg = f"class_weight={self.class_weight!r} is not known. Choose one of {known}."
                raise ValueError(msg)
            if self.focal_gamma < 0 or not 0 <= self.label_smoothing < 1:
                msg = (
                    "focal_gamma must be at least 0 and label_smoothing lie in [0, 1). Found "
                    f"{self.focal_gamma} and {self.label_smoothing}. 0 switches them off."
                )
                raise ValueError(msg)

    def __init__(self, gene_keys_g: Tensor, n_in: int, n_labels: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.wide = GeneTable(gene_keys_g, n_labels, name="wide", std=0)
        self.wide.weight.requires_grad_(False)
        self.bias = nn.Parameter(torch.zeros(n_labels), requires_grad=False)
        self.missing = MissingGenes(len(gene_keys_g))
        self.deep = nn.Linear(n_in, n_labels)
        self.gate = nn.Parameter(torch.zeros(()) if config.wide else torch.ones(()))
        self.gate.requires_grad_(config.wide)
        self.register_buffer("log_temperature", torch.zeros(()))

    def forward(self, embedding_nd: Tensor, tokens: Tokens, mean_g: Tensor) -> Tensor:
        """Return logits (n, c), before calibration."""
        if not self.config.deep:
            return self.wide_logits(tokens, mean_g)
        deep = self.gate * self.deep(embedding_nd)
        return self.wide_logits(tokens, mean_g) + deep if self.config.wide else deep

    def wide_logits(self, tokens: Tokens, mean_g: Tensor) -> Tensor:
        """Return the logits (n, c) of the logistic regression alone.

        What genes that a panel lacks would have said is guessed from those that it has, see
        :class:`~sctabnet.heads.missing_genes.MissingGenes`.
        """
        table = self.wide()
        sources, where = torch.unique(tokens.source_ids, return_inverse=True)
        panel = tokens.panel[sources]
        x = self.missing.rescale(tokens.x, tokens.offsets, panel, where)
        centre = (panel * mean_g) @ table[:-1]
        logits = gene_sum(x, tokens.indices, tokens.offsets, table) - centre[where]
        filled = self.missing(panel, table[:-1])
        if filled is None:
            return logits + self.bias
        factors = gene_sum(x, tokens.indices, tokens.offsets, filled.loadings_ga)
        factors = factors - ((panel * mean_g) @ filled.loadings_ga[:-1])[where]
        logits = logits + (factors[:, None] @ filled.weight_sac[where])[:, 0]
        return (logits + self.bias) * filled.scale_s[where, None]

    def wide_weights(self, panel_sg: Tensor) -> Tensor:
        """Return the weights (s, g, c) of the logistic regression for each of s panels.

        They are 0 for the genes that a panel lacks.
        """
        weight_gc = self.wide()[:-1]
        filled = self.missing(panel_sg, weight_gc)
        weight = weight_gc.expand(len(panel_sg), -1, -1)
        if filled is not None:
            weight = weight + filled.loadings_ga[:-1] @ filled.weight_sac
            weight = weight * filled.scale_s[:, None, None]
        return weight * (panel_sg > 0)[:, :, None]

    def wide_slopes(
        self, slope_nc: Tensor, indices: Tensor, offsets: Tensor, panel_sg: Tensor, where_n: Tensor
    ) -> Tensor:
        """Return (k,) the weights of each cell's genes, labels mixed as ``slope_nc`` says.

        They are those of :meth:`wide_weights` for the panel ``where_n`` of the cell, whose tables
        are never made.
        """
        table = self.wide()
        filled = self.missing(panel_sg, table[:-1])
        if filled is None:
            return gene_dot(slope_nc, table, indices, offsets)
        slope = slope_nc * filled.scale_s[where_n, None]
        factors = (filled.weight_sac[where_n] @ slope[:, :, None])[:, :, 0]
        own = gene_dot(slope, table, indices, offsets)
        return own + gene_dot(factors, filled.loadings_ga, indices, offsets)

    @torch.no_grad()
    def as_for_panel(self, logits_mc: Tensor, panel_sg: Tensor) -> Tensor:
        """Return logits (m, c) of cells with all genes as they may be for a panel with fewer.

        What the missing genes leave open is drawn at random, with a fixed seed, for the panel of s
        that leaves most open: held-out reference cells then judge a query by its own uncertainty.
        """
        filled = self.missing(panel_sg, self.wide()[:-1])
        if not self.config.wide or filled is None:
            return logits_mc
        worst = int(filled.scale_s.argmin())
        values, vectors = torch.linalg.eigh(filled.covariance_scc[worst].cpu().double())
        root = vectors * values.clamp_min(0).sqrt()
        drawn = torch.randn(
            logits_mc.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        noise = (drawn @ root.T).to(logits_mc)
        return (logits_mc + noise) * filled.scale_s[worst].to(logits_mc)

    def probability(self, logits_nc: Tensor) -> Tensor:
        """Return calibrated probabilities (n, c): softmax over all labels at the temperature."""
        return torch.softmax(logits_nc / self.log_temperature.exp(), 1)
