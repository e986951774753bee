"""A table with one row of parameters per gene, initialised from the gene's id."""

from __future__ import annotations

import math
from zlib import crc32

import torch
from torch import Tensor, nn

from sctabnet.nn.keyed_uniform import keyed_uniform


class GeneTable(nn.Module):
    """Parameters keyed by gene: row ``i`` belongs to gene ``i`` of the vocabulary.

    One more row, the last, belongs to the "absent" token that every cell lists beside its genes.
    Initial values are normal, drawn by a counter-based generator keyed by (seed, table name,
    gene, column): adding or reordering genes changes no other gene's initial value.

    Parameters
    ----------
    gene_keys
        int64 tensor (g,), one key per gene (:func:`sctabnet.genes.gene_keys.gene_keys`).
    dim
        Columns of the table.
    name
        Name of the table: two tables of one model must not start alike.
    std
        Standard deviation of the initial values; 0 gives a table of zeros.
    seed
        Seed of the model.
    """

    def __init__(
        self, gene_keys: Tensor, dim: int, *, name: str, std: float, seed: int = 0
    ) -> None:
        super().__init__()
        keys = torch.cat([gene_keys, gene_keys.new_full((1,), -1)])
        if std == 0:
            weight = torch.zeros(len(keys), dim)
        else:
            columns = torch.arange(dim)[None, :]
            table = crc32(name.encode())
            angle = keyed_uniform(seed, table, keys[:, None], columns, 0)
            radius = keyed_uniform(seed, table, keys[:, None], columns, 1)
            # Box-Muller: the counter-based generator gives uniforms only
            normal = torch.sqrt(-2 * torch.log(radius)) * torch.cos(2 * math.pi * angle)
            weight = normal * std
        self.weight = nn.Parameter(weight)

    def forward(self) -> Tensor:
        """Return the table, (g + 1, dim)."""
        return self.weight
