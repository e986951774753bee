"""How far a cell is from every known type, whatever the label head says of it."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from sctabnet.nn.tokens import Tokens
from sctabnet.ops import gene_sum, segment_sum

_PREFIX = "type_distance."


@dataclass(frozen=True, slots=True)
class TypeDistance:
    r"""Two distances to the nearest type: along the training cells' axes, and of all molecules.

    A label head looks at what tells the known types apart, and may be sure of a cell that is like
    none of them. The principal axes of the training cells also hold what it does not look at (the
    Mahalanobis distance of Lee et al. 2018, arXiv 1807.03888). They do not hold genes that no known
    type expresses, by which a new type is told best. The second distance is the perplexity of the
    cell's molecules, a share s of them in each gene, where type c has the shares :math:`\pi`, as a
    multiple of that of the type's own molecules,

    .. math:: \exp\bigl(\sum_g (\pi_{gc} - s_g) \log \pi_{gc}\bigr),

    which compares cells of different panels: both sums are over the genes that a panel holds.

    Parameters
    ----------
    axes
        float32 (g, k), weight of each gene on axes along which cells of a type vary by 1.
    centres
        float32 (g, c), mean of each gene in each type.
    profiles
        float32 (g, c), logarithm of each gene's share of the molecules of a type, or None in models
        of earlier versions, which know the first distance alone: (n, 1).
    """

    axes: Tensor
    centres: Tensor
    profiles: Tensor | None = None

    @property
    def n_distances(self) -> int:
        """Number of distances."""
        return 1 if self.profiles is None else 2

    def __call__(self, tokens: Tokens) -> Tensor:
        """Return float32 (n, 2), each cell's squared distance and perplexity, to the nearest type.

        Genes that a panel lacks are left out of both the cell and the types.
        """
        cells_nk = self.coordinates(tokens)
        axes_gk = self.axes.to(tokens.x.device)
        centres_gc = self.centres.to(tokens.x.device)
        sources, where_n = tokens.source_ids.unique(return_inverse=True)
        panels_bg = tokens.panel[sources]
        types_bck = torch.stack(
            [(centres_gc * panel_g[:, None]).T @ axes_gk for panel_g in panels_bg]
        )
        squared_n = (cells_nk[:, None] - types_bck[where_n]).square().sum(2).amin(1)
        if self.profiles is None:
            return squared_n[:, None]
        profiles_gc = self.profiles.to(tokens.x.device)
        counts_k = torch.expm1(tokens.x)
        logs_nc = gene_sum(counts_k, tokens.indices, tokens.offsets, _padded(profiles_gc))
        logs_nc = logs_nc / segment_sum(counts_k, tokens.offsets).clamp_min(1e-12)[:, None]
        # on a panel a type's shares sum to less than 1, which cancels between cell and type
        shares_gc = profiles_gc.exp()
        panels_bg = panels_bg.to(shares_gc)
        own_bc = (panels_bg @ (shares_gc * profiles_gc)) / (panels_bg @ shares_gc)
        excess_nc = own_bc[where_n] - logs_nc
        return torch.stack([squared_n, excess_nc.amin(1).exp()], 1)

    def coordinates(self, tokens: Tokens) -> Tensor:
        """Return float32 (n, k), each cell along the axes."""
        table = _padded(self.axes.to(tokens.x.device))
        return gene_sum(tokens.x, tokens.indices, tokens.offsets, table)

    def to_tensors(self) -> dict[str, Tensor]:
        """Return what :meth:`from_tensors` takes, to be saved."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return {_PREFIX + name: t.contiguous() for name, t in held.items() if t is not None}

    @classmethod
    def from_tensors(cls, tensors: MutableMapping[str, Tensor]) -> Self | None:
        """Take a model's saved tensors out of all that were saved; None if there are none."""
        names = [field.name for field in fields(cls)]
        held = {name: tensors.pop(_PREFIX + name) for name in names if _PREFIX + name in tensors}
        return cls(**held) if held else None


def _padded(table: Tensor) -> Tensor:
    """Return a table with one row more, for the absent token, whose value is 0."""
    return torch.nn.functional.pad(table, (0, 0, 0, 1))
