"""Self-supervised TabNet for tables: hide columns, reconstruct them.

Legend: n rows, g original columns, e embedded columns, a attention groups, s decision steps,
d decision width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sctabnet.nn.column_groups import ColumnGroups
from sctabnet.nn.dense_encoder import DenseConfig, DenseEncoder, DenseSteps
from sctabnet.nn.embedding_columns import CategoricalColumn, EmbeddingColumns
from sctabnet.nn.feature_transformer import FeatureTransformer
from sctabnet.nn.glu_linear import glu_linear


@dataclass(frozen=True, slots=True)
class DenseReconstruction:
    """What the pretrainer predicts, and what it is judged on."""

    reconstruction_ne: Tensor
    """Predicted embedded columns."""
    embedded_ne: Tensor
    """The embedded input before anything was hidden."""
    hidden_ne: Tensor
    """1 where an embedded column was hidden; all ones if nothing was (evaluation)."""
    steps: DenseSteps
    """Decisions and masks of the steps."""


class DensePretrainer(nn.Module):
    """Encode a table with hidden columns and decode every column from the step decisions.

    A hidden group of columns is set to zero before the encoder and starts with a prior scale of
    zero, so that the first masks do not look at it. The decoder gives each step a feature
    transformer, adds the steps and maps them to the embedded columns.

    Parameters
    ----------
    n_columns, categorical, groups, config
        As for :class:`DenseTabNet`; the encoder's weights move to one built with the same values.
    n_shared_decoder, n_independent_decoder
        Gated linear units of the decoder, shared by the steps and each step's own.

    Notes
    -----
    Arik and Pfister (2019), section 3.4 (arXiv 1908.07442). Same algebra as pytorch-tabnet's
    ``TabNetPretraining``.
    """

    def __init__(
        self,
        n_columns: int,
        *,
        categorical: Sequence[CategoricalColumn] = (),
        groups: Sequence[Sequence[int]] = (),
        config: DenseConfig | None = None,
        n_shared_decoder: int = 1,
        n_independent_decoder: int = 1,
    ) -> None:
        super().__init__()
        assert n_shared_decoder + n_independent_decoder > 0, "no gated linear unit"
        config = config or DenseConfig()
        self.embedding = EmbeddingColumns(n_columns, categorical)
        self.encoder = DenseEncoder(
            ColumnGroups(self.embedding.column_of_e, n_columns, groups), config
        )
        n_first = 1 if n_shared_decoder > 0 else config.n_steps
        self.decoder_first = nn.ModuleList(
            glu_linear(config.n_d, config.n_d) for _ in range(n_first)
        )
        self.decoder_shared = nn.ModuleList(
            glu_linear(config.n_d, config.n_d) for _ in range(n_shared_decoder - 1)
        )
        self.decoder_transformers = nn.ModuleList(
            FeatureTransformer(
                config.n_d,
                self.decoder_shared,
                n_independent_decoder - (n_shared_decoder == 0),
                ghost_size=config.ghost_size,
                momentum=config.momentum,
            )
            for _ in range(config.n_steps)
        )
        self.reconstruct = nn.Linear(config.n_d, self.embedding.n_embedded, bias=False)
        nn.init.normal_(self.reconstruct.weight, std=config.n_d**-0.25)

    def forward(
        self, x_ng: Tensor, hidden_na: Tensor | None = None, weights_n: Tensor | None = None
    ) -> DenseReconstruction:
        """Reconstruct the embedded columns.

        Parameters
        ----------
        x_ng
            ``(n, g)`` numbers; categorical columns hold codes.
        hidden_na
            Float 0 / 1 ``(n, a)``: groups of columns to hide (see :meth:`draw_hidden`). ``None``
            hides nothing and judges every column.
        weights_n
            ``(n,)``; rows of weight 0 (padding) enter no norm.
        """
        embedded_ne: Tensor = self.embedding(x_ng)
        if hidden_na is None:
            hidden_ne = torch.ones_like(embedded_ne)
            steps = self.encoder(embedded_ne, weights_n)
        else:
            hidden_ne = self.encoder.groups.members(hidden_na)
            steps = self.encoder((1 - hidden_ne) * embedded_ne, weights_n, 1 - hidden_na)
        total_nd = torch.zeros_like(steps.decisions_snd[0])
        for step, decision_nd in enumerate(steps.decisions_snd):
            first = self.decoder_first[step if len(self.decoder_first) > 1 else 0]
            total_nd = total_nd + self.decoder_transformers[step](first(decision_nd), weights_n)
        return DenseReconstruction(self.reconstruct(total_nd), embedded_ne, hidden_ne, steps)

    def draw_hidden(self, n: int, ratio: float, generator: torch.Generator) -> Tensor:
        """Draw ``(n, a)`` groups of columns to hide, each with probability ``ratio``."""
        groups = self.encoder.groups
        hidden_na = torch.rand(n, groups.n_groups, generator=generator) < ratio
        return hidden_na.float().to(groups.group_of_g.device)
