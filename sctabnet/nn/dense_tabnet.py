"""TabNet for tables with fixed columns.

Legend: n rows, g original columns, s decision steps, d decision width, a attention groups,
c outputs of a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sctabnet.nn.column_groups import ColumnGroups
from sctabnet.nn.dense_encoder import DenseConfig, DenseEncoder, DenseSteps
from sctabnet.nn.embedding_columns import CategoricalColumn, EmbeddingColumns


@dataclass(frozen=True, slots=True)
class DenseOutput:
    """One forward pass: the prediction and, from the same tensors, its explanation."""

    outputs: tuple[Tensor, ...]
    """One ``(n, c)`` per task: logits, or regression values."""
    steps: DenseSteps
    """Decisions and masks of the steps, and the sparsity loss."""
    groups: ColumnGroups
    """How the masks' attention groups map to columns."""

    @property
    def masks_sng(self) -> Tensor:
        """Mask of each step over the original columns."""
        return self.groups.to_columns(self.steps.masks_sna)

    @property
    def explanation_ng(self) -> Tensor:
        """Sum over steps of mask times the step's total decision (eta), over original columns."""
        return torch.einsum("sng,sn->ng", self.masks_sng, self.steps.decisions_snd.sum(2))


class DenseTabNet(nn.Module):
    """Embed categorical columns, attend in steps, read one linear output per task.

    The dense counterpart of the gene-token encoder: it serves mixed tables, and with
    pytorch-tabnet's weights it gives pytorch-tabnet's outputs, masks, sparsity loss and
    explanation.

    Parameters
    ----------
    n_columns
        Number of original columns ``g``.
    n_outputs
        Outputs of each task.
    categorical
        Categorical columns in ascending order; their values are codes ``0 .. n_codes - 1``.
    groups
        Lists of columns that share one mask entry.
    config
        Sizes and switches.

    Notes
    -----
    Arik and Pfister (2019), "TabNet: Attentive Interpretable Tabular Learning", arXiv 1908.07442.
    """

    def __init__(
        self,
        n_columns: int,
        n_outputs: Sequence[int],
        *,
        categorical: Sequence[CategoricalColumn] = (),
        groups: Sequence[Sequence[int]] = (),
        config: DenseConfig | None = None,
    ) -> None:
        super().__init__()
        config = config or DenseConfig()
        self.embedding = EmbeddingColumns(n_columns, categorical)
        self.encoder = DenseEncoder(
            ColumnGroups(self.embedding.column_of_e, n_columns, groups), config
        )
        self.outputs = nn.ModuleList()
        for n_output in n_outputs:
            output = nn.Linear(config.n_d, n_output, bias=False)
            nn.init.normal_(output.weight, std=config.n_d**-0.25)
            self.outputs.append(output)

    def forward(self, x_ng: Tensor, weights_n: Tensor | None = None) -> DenseOutput:
        """Predict, and keep what explains the prediction.

        Parameters
        ----------
        x_ng
            ``(n, g)`` numbers; categorical columns hold codes.
        weights_n
            ``(n,)``; rows of weight 0 (padding) enter neither norms nor the sparsity loss.
        """
        steps = self.encoder(self.embedding(x_ng), weights_n)
        decision_nd = steps.decisions_snd.sum(0)
        outputs = tuple(output(decision_nd) for output in self.outputs)
        return DenseOutput(outputs, steps, self.encoder.groups)
