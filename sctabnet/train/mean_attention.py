"""Which genes a trained encoder attends to, on average."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sctabnet.data.corpus import Corpus
from sctabnet.model.model import Model

MAX_CELLS = 2048


def mean_attention(model: Model, corpus: Corpus, rows: NDArray[np.int64]) -> Tensor:
    """Return (g,) the mean aggregate mask over at most 2,048 cells, in the order of ``rows``.

    It is kept with the model, so that a query can be told which share of the attention its panel
    covers. The absent token's share is left out, the rest sums to at most 1.
    """
    n_genes = len(model.vocabulary)
    total = torch.zeros(n_genes + 1, dtype=torch.float64)
    rows = rows[:MAX_CELLS]
    for _, prediction in model.predict(corpus.minibatches(rows)):
        mask = prediction.encoded.aggregate_mask(prediction.tokens.offsets).double()
        total += torch.bincount(prediction.tokens.indices, mask, minlength=n_genes + 1).cpu()
    return (total[:-1] / max(len(rows), 1)).float()
