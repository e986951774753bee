"""How far a cell is from every known type, whatever the label head says of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sctabnet.nn.tokens import Tokens
from sctabnet.ops import gene_sum


@dataclass(frozen=True, slots=True)
class TypeDistance:
    """Mahalanobis distance to the nearest type, in the principal axes of the training cells.

    A label head looks at what tells the known types apart, and may be sure of a cell that is like
    none of them (Lee et al. 2018, arXiv 1807.03888); the principal axes also hold what it does not
    look at.

    Parameters
    ----------
    axes
        float32 (g, k), weight of each gene on axes along which cells of a type vary by 1.
    centres
        float32 (g, c), mean of each gene in each type.
    """

    axes: Tensor
    centres: Tensor

    def __call__(self, tokens: Tokens) -> Tensor:
        """Return float32 (n,), the squared distance of each cell to the nearest type.

        Genes that a panel lacks are left out of both the cell and the types.
        """
        cells_nk = self.coordinates(tokens)
        axes_gk = self.axes.to(tokens.x.device)
        centres_gc = self.centres.to(tokens.x.device)
        sources, where_n = tokens.source_ids.unique(return_inverse=True)
        types_bck = torch.stack(
            [(centres_gc * panel_g[:, None]).T @ axes_gk for panel_g in tokens.panel[sources]]
        )
        return (cells_nk[:, None] - types_bck[where_n]).square().sum(2).amin(1)

    def coordinates(self, tokens: Tokens) -> Tensor:
        """Return float32 (n, k), each cell along the axes."""
        # one row more for the absent token, whose value is 0
        table = torch.nn.functional.pad(self.axes.to(tokens.x.device), (0, 0, 0, 1))
        return gene_sum(tokens.x, tokens.indices, tokens.offsets, table)
