"""Fit the wide path: logistic regression over genes, computed on the stream."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from torch import Tensor

from sctabnet.data.corpus import Corpus
from sctabnet.model.network import Network
from sctabnet.train.axis_features import AxisFeatures
from sctabnet.train.gene_factors import POWERS, GeneFactors
from sctabnet.train.log1p_matrix import log1p_matrix
from sctabnet.train.ridge import RidgeFit, ridge
from sctabnet.train.sample_by_label import sample_by_label
from sctabnet.train.scorable_folds import scorable_folds

MAX_SCORED = 6_000
MAX_CELLS = 30_000
N_FOLDS = 3
_SEED = 0
Array = NDArray[np.float64]


class WidePath:
    """The ridge logistic regression of some labelled cells, ready to be put into a network.

    No seed deals the cells to folds: two fits of a network have the same regression, up to the
    centre of genes that some sources did not measure (beyond 6,000 cells, to the solver's tolerance
    too).

    Parameters
    ----------
    corpus
        Where the cells are read from.
    rows
        int64 rows of labelled cells. At most 6,000 of them choose the penalty and give
        out-of-fold logits, stratified by label.
    groups
        int64 codes (n_cells of the corpus,) that inner folds keep whole, or None.
    mean_g
        (g,) centre of each gene: what an unmeasured gene is taken to be.
    prior
        How genes vary in the cells of pretraining; what the labelled cells and those without a
        label show is added. None for a model that was not pretrained.
    balanced
        Every label counts alike, however many cells it has.
    """

    def __init__(
        self,
        corpus: Corpus,
        rows: NDArray[np.int64],
        groups: NDArray[np.int64] | None,
        mean_g: Tensor,
        prior: GeneFactors | None,
        *,
        balanced: bool,
    ) -> None:
        self.n_labels = len(corpus.labels)
        self._mean, self._balanced = mean_g, balanced
        chosen = sample_by_label(rows, corpus.label_codes, MAX_SCORED, _SEED)
        x, labels = log1p_matrix(corpus, chosen, mean_g), corpus.label_codes[chosen]
        inner = None if groups is None else groups[chosen]
        folds = scorable_folds(labels, inner, n_folds=N_FOLDS, random_state=_SEED)
        varied = np.union1d(rows, np.flatnonzero(corpus.label_codes < 0))
        self._factors = GeneFactors.of(corpus, varied, mean_g, random_state=_SEED)
        tried = _features(self._factors, prior)
        fits = [
            ridge(features.of(x), labels, self.n_labels, folds, balanced=balanced)
            for features in tried
        ]
        best = _first_as_good(fits, labels)
        fitted, self._features = fits[best], tried[best]
        self.out_of_fold = fitted.out_of_fold
        self.scored_rows = chosen
        self.c, self.log_loss = fitted.c, fitted.log_loss
        self._fitted = self._fitted_to_scored = fitted
        level = np.asarray(x.expm1().mean(0)).ravel()
        held = (corpus.measured @ level)[corpus.source_codes[chosen]].mean()
        self._level = level / max(held, 1e-12)

    def refit(self, corpus: Corpus, rows: NDArray[np.int64]) -> None:
        """Fit to other cells, at most 30,000, with the penalty that was chosen."""
        rows = sample_by_label(rows, corpus.label_codes, MAX_CELLS, _SEED)
        if np.array_equal(rows, self.scored_rows):
            self._fitted = self._fitted_to_scored
            return
        x, labels = log1p_matrix(corpus, rows, self._mean), corpus.label_codes[rows]
        last = np.vstack([self._fitted.weight, self._fitted.bias])
        self._fitted = ridge(
            self._features.of(x), labels, self.n_labels, [],
            penalties=(self.c,), balanced=self._balanced, start=last,
        )  # fmt: skip

    def put_into(self, network: Network) -> None:
        """Write the weights, and how genes vary together, into the network's label head."""
        head = network.labels
        assert head is not None, "only a network with a label head has a wide path"
        weight = torch.from_numpy(self._features.to_genes(self._fitted.weight))
        bias = torch.from_numpy(self._fitted.bias) + self._mean.double() @ weight
        with torch.no_grad():
            head.wide.weight[:-1] = weight.to(head.wide.weight)
            head.bias.copy_(bias)
            head.missing.axes.copy_(torch.from_numpy(self._factors.loadings_gqa[:, 0]))
            head.missing.noise.copy_(torch.from_numpy(self._factors.noise_g))
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
        known = np.isfinite(self.out_of_fold).all(1) & np.isin(self.scored_rows, rows)
        logits[self.scored_rows[known]] = torch.from_numpy(self.out_of_fold[known]).float()
        return logits


def _first_as_good(fits: list[RidgeFit], labels: NDArray[np.int64]) -> int:
    """Return the first fit whose held-out log-loss is within a standard error of the lowest.

    A small lead among held-out cells says little about the next batch, least where they are of the
    same batch (the rule of Breiman et al., Classification and Regression Trees, 1984).
    """
    known = np.isfinite(fits[0].out_of_fold).all(1)
    if not known.any():
        return 0
    cells, right = np.arange(known.sum()), labels[known]
    losses = np.array([-log_softmax(fit.out_of_fold[known], 1)[cells, right] for fit in fits])
    above = losses - losses[losses.mean(1).argmin()]
    error = above.std(1) / np.sqrt(len(cells))
    return int(np.argmax(above.mean(1) <= error))


def _features(own: GeneFactors, prior: GeneFactors | None) -> list[AxisFeatures]:
    """Return the features to choose from, one for each scaling of the genes."""
    seen = [own] if prior is None else [prior, own]
    std = own.std_g
    if prior is not None:
        # seen in more cells; a gene that pretraining did not know has no place on its axes
        std = np.where(prior.loadings_gqa.any((1, 2)), prior.std_g, std)
    return [
        AxisFeatures(std, *(f.loadings_gqa[:, q] for f in seen), power=power)
        for q, power in enumerate(POWERS)
    ]
