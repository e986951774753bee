"""Measure how far some cells of a corpus are from the known types."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sctabnet.data.corpus import Corpus
from sctabnet.model.model import Model


@torch.no_grad()
def type_distances(model: Model, corpus: Corpus, rows: NDArray[np.int64]) -> Tensor:
    """Return float32 (rows, k), each cell's distances to the nearest type.

    Parameters
    ----------
    model
        Model that knows its types' distances.
    corpus
        Where the cells are read from.
    rows
        int64 rows, in the order wanted.
    """
    assert model.type_distance is not None, "a model with labels knows its types"
    network = model.network.cpu()
    where = torch.zeros(corpus.n_cells, dtype=torch.int64)
    where[torch.from_numpy(rows)] = torch.arange(len(rows))
    distances = torch.zeros(len(rows), model.type_distance.n_distances)
    for minibatch in corpus.minibatches(rows):
        distances[where[minibatch.row_ids]] = model.type_distance(network.tokens(minibatch))
    return distances
