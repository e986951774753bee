"""Cell-type labels: a ridge logistic regression over genes plus a gated TabNet term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sctabnet.nn.gene_table import GeneTable
from sctabnet.nn.tokens import Tokens
from sctabnet.ops import gene_sum

ClassWeight = Literal["none", "balanced"]


class LabelHead(nn.Module):
    r"""Logits of c labels: :math:`W_{lin}(x - \mu) + b + g \cdot H(\text{embedding})`.

    The wide term is the converged ridge logistic regression on log1p values, centred so that a
    gene which a panel did not measure contributes what the average cell would. The gate g starts
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
        class_weight: ClassWeight = "none"
        """Weights of the labels in the TabNet term's losses; "balanced" is inverse frequency."""
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
        """Return the logits (n, c) of the logistic regression alone."""
        table = self.wide()
        centre = (tokens.panel * mean_g) @ table[:-1]
        wide = gene_sum(tokens.x, tokens.indices, tokens.offsets, table)
        return wide - centre[tokens.source_ids] + self.bias

    def probability(self, logits_nc: Tensor) -> Tensor:
        """Return calibrated probabilities (n, c): softmax over all labels at the temperature."""
        return torch.softmax(logits_nc / self.log_temperature.exp(), 1)
