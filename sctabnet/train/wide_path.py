"""Fit the wide path: logistic regression over genes, computed on the stream."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from sctabnet.data.corpus import Corpus
from sctabnet.heads.missing_genes import N_AXES
from sctabnet.model.network import Network
from sctabnet.train.log1p_matrix import log1p_matrix
from sctabnet.train.principal_axes import principal_axes
from sctabnet.train.ridge import ridge
from sctabnet.train.sample_by_label import sample_by_label
from sctabnet.train.scorable_folds import scorable_folds

MAX_SCORED = 6_000
MAX_CELLS = 30_000
N_FOLDS = 3
MIN_NOISE = 1e-3  # of a gene's log1p values: rarely expressed genes must not tell too much
Array = NDArray[np.float64]


class WidePath:
    """The ridge logistic regression of some labelled cells, ready to be put into a network.

    Parameters
    ----------
    corpus
        Where the cells are read from.
    rows
        int64 rows of labelled cells. At most 6,000 of them choose the penalty and give
        out-of-fold logits, at most 30,000 enter the final fit, both stratified by label.
    groups
        int64 codes (n_cells of the corpus,) that inner folds keep whole, or None.
    mean_g
        (g,) centre of each gene: what an unmeasured gene is taken to be.
    random_state
        Seed of the folds and of the sample.
    """

    def __init__(
        self,
        corpus: Corpus,
        rows: NDArray[np.int64],
        groups: NDArray[np.int64] | None,
        mean_g: Tensor,
        *,
        random_state: int,
    ) -> None:
        self.n_labels = len(corpus.labels)
        self._mean = mean_g
        chosen = sample_by_label(rows, corpus.label_codes, MAX_SCORED, random_state)
        x, labels = log1p_matrix(corpus, chosen, mean_g), corpus.label_codes[chosen]
        inner = None if groups is None else groups[chosen]
        folds = scorable_folds(labels, inner, n_folds=N_FOLDS, random_state=random_state)
        fitted = ridge(x, labels, self.n_labels, folds)
        self.out_of_fold = fitted.out_of_fold
        self.scored_rows = chosen
        self.c, self.log_loss = fitted.c, fitted.log_loss
        self._fitted = fitted
        self._axes, self._noise = _factors(x, mean_g.double().numpy())
        level = np.asarray(x.expm1().mean(0)).ravel()
        held = (corpus.measured @ level)[corpus.source_codes[chosen]].mean()
        self._level = level / max(held, 1e-12)
        if len(chosen) < len(rows):
            self.refit(corpus, rows, random_state=random_state)

    def refit(self, corpus: Corpus, rows: NDArray[np.int64], *, random_state: int) -> None:
        """Fit again on other cells with the penalty that was chosen, starting from the last fit."""
        rows = sample_by_label(rows, corpus.label_codes, MAX_CELLS, random_state)
        x, labels = log1p_matrix(corpus, rows, self._mean), corpus.label_codes[rows]
        last = np.vstack([self._fitted.weight, self._fitted.bias])
        self._fitted = ridge(x, labels, self.n_labels, [], penalties=(self.c,), start=last)

    def put_into(self, network: Network) -> None:
        """Write the weights, and how genes vary together, into the network's label head."""
        head = network.labels
        assert head is not None, "only a network with a label head has a wide path"
        weight = torch.from_numpy(np.ascontiguousarray(self._fitted.weight))
        bias = torch.from_numpy(self._fitted.bias) + self._mean.double() @ weight
        with torch.no_grad():
            head.wide.weight[:-1] = weight.to(head.wide.weight)
            head.bias.copy_(bias)
            head.missing.axes[:, : self._axes.shape[1]] = torch.from_numpy(self._axes)
            head.missing.noise.copy_(torch.from_numpy(self._noise))
            head.missing.level.copy_(torch.from_numpy(self._level))

    def training_logits(self, network: Network, corpus: Corpus, rows: NDArray[np.int64]) -> Tensor:
        """Return (n_cells, c) logits that had not seen their cell, zero for other cells.

        Cells in an inner fold take the out-of-fold logits; the others what the network's wide
        path says, scaled by nothing: they were not all used to choose the penalty.
        """
        logits = torch.zeros(corpus.n_cells, self.n_labels)
        with torch.no_grad():
            for minibatch in corpus.minibatches(rows, minibatch_size=1024):
                tokens = network.tokens(minibatch)
                assert network.labels is not None
                logits[minibatch.row_ids] = network.labels.wide_logits(tokens, network.encoder.mean)
        known = np.isfinite(self.out_of_fold).all(1)
        logits[self.scored_rows[known]] = torch.from_numpy(self.out_of_fold[known]).float()
        return logits


def _factors(x: sp.csr_array, mean: Array) -> tuple[Array, Array]:
    """Return axes (g, at most 50), scaled by the spread along them, and what they leave (g,)."""
    axes = principal_axes(x, mean, N_AXES)
    along = x @ axes - mean @ axes
    axes = axes * np.sqrt(np.square(along).mean(0))
    squares = np.asarray(x.multiply(x).mean(0)).ravel()
    variance = squares - 2 * mean * np.asarray(x.mean(0)).ravel() + mean**2
    return axes, np.maximum(variance - np.square(axes).sum(1), MIN_NOISE)
