"""Mean and spread of every gene over the cells that measured it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.nn.normalise import normalise

STD_FLOOR = 0.25


def gene_statistics(minibatches: Iterable[Minibatch], n_genes: int) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (g,) of log1p counts per 10,000, zeros included.

    Only cells whose source measured a gene count for it. The deviation is floored at 0.25 log
    units: dividing by the deviation of a gene that is silent in nearly every cell would blow its
    rare values up. Genes that no cell measured get mean 0 and deviation 1.

    Parameters
    ----------
    minibatches
        The training cells, once each, in any order that is fixed.
    n_genes
        Number of genes g of the vocabulary.
    """
    total = torch.zeros(n_genes, dtype=torch.float64)
    squares, measured = torch.zeros_like(total), torch.zeros_like(total)
    for minibatch in minibatches:
        x = normalise(minibatch).double()
        total += torch.bincount(minibatch.indices, x, minlength=n_genes)
        squares += torch.bincount(minibatch.indices, x * x, minlength=n_genes)
        cells = torch.bincount(minibatch.source_ids, minlength=len(minibatch.measured))
        measured += cells.double() @ minibatch.measured.double()
    count = measured.clamp_min(1)
    mean = total / count
    std = (squares / count - mean**2).clamp_min(0).sqrt().clamp_min(STD_FLOOR)
    std[measured == 0] = 1
    return mean.float(), std.float()
