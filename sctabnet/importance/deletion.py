"""What is left of the answer when the genes that are said to matter are taken away."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from sctabnet.data.minibatch import Minibatch
from sctabnet.importance.list_cells import list_cells
from sctabnet.importance.matrix_of import matrix_of
from sctabnet.model.model import Model

FRACTIONS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
Array = NDArray[np.float64]


@torch.no_grad()
def deletion(
    model: Model,
    cells: Minibatch,
    targets: NDArray[np.int64],
    scores: Mapping[str, Array],
    *,
    fractions: tuple[float, ...] = FRACTIONS,
) -> dict[str, Array]:
    """Return the probability of each cell's label after the top genes of a ranking were deleted.

    A deleted gene takes its mean over the training cells in every cell, so that it tells nothing
    any more. The lower the probability falls, the more the ranking names what the model uses
    (Samek et al. 2017; Petsiuk et al. 2018). Compare rankings on one model, never two models.

    Parameters
    ----------
    model
        With a label head.
    cells
        n cells on the CPU, others than the scores come from.
    targets
        int64 (n,) label whose probability is watched.
    scores
        (g,) score of every gene by name of the ranking; NaN ranks last, ties go by gene.
    fractions
        Shares of the measured genes that are deleted.

    Returns
    -------
    float64 (1 + fractions, n) by name of the ranking; row 0 is without deletion.
    """
    network = model.network.eval()
    assert network.labels is not None, "deletion watches the probability of a label"
    device = next(network.parameters()).device
    x, everything = matrix_of(cells), np.arange(len(cells))
    mean = network.encoder.mean.double().cpu().numpy()
    measured = cells.measured[cells.source_ids].numpy()
    known = np.flatnonzero(measured.any(0))

    def probability(matrix: sp.csr_array) -> Array:
        listed, new = list_cells(matrix, cells, everything)
        assert network.labels is not None
        logits = network(listed.to(device), x=new.to(device)).logits
        given = network.labels.probability(logits).cpu().double().numpy()
        return given[everything, targets]

    whole = probability(x)
    result = {}
    for name, score in scores.items():
        order = known[np.argsort(-np.nan_to_num(score[known], nan=-np.inf), kind="stable")]
        rows = [whole]
        for fraction in fractions:
            deleted = np.zeros(x.shape[1], dtype=bool)
            deleted[order[: max(1, round(fraction * len(order)))]] = True
            kept = sp.csr_array(x * ~deleted)
            filled = sp.csr_array(measured[:, deleted] * mean[deleted])
            columns = sp.csr_array(
                (np.ones(deleted.sum()), (np.arange(deleted.sum()), np.flatnonzero(deleted))),
                (int(deleted.sum()), x.shape[1]),
            )
            rows.append(probability(sp.csr_array(kept + filled @ columns)))
        result[name] = np.array(rows)
    return result
