"""Fit the head that gives embeddings to look at cells by."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from sctabnet.data.corpus import Corpus
from sctabnet.heads.integrate import IntegrateHead
from sctabnet.model.model import Model
from sctabnet.nn.batch_mixture import BatchMixture
from sctabnet.train.fit_batch_mixture import fit_batch_mixture
from sctabnet.train.log1p_matrix import log1p_matrix
from sctabnet.train.principal_axes import principal_axes
from sctabnet.train.variable_genes import variable_genes

MAX_CELLS_AXES = 20_000
MAX_CELLS = 100_000
STD_FLOOR = 0.1
N_GENES = 2000


@torch.no_grad()
def fit_integration(model: Model, corpus: Corpus, *, random_state: int) -> None:
    """Give ``model`` the head for embeddings, which corrects batches if there are several.

    It needs no labels. The axes are those of the 2,000 genes that vary most within batches, in at
    most 20,000 cells; the correction comes from at most 100,000 cells. Of each batch are taken as
    many as there are, up to an equal share. With labels, their means among the corrected cells are
    kept too.

    Parameters
    ----------
    model
        Trained; its first covariate, if it has any, is the batch.
    corpus
        The training cells, with the model's covariates and labels.
    random_state
        Seed of the samples and of the clusters.
    """
    network = model.network.cpu()
    codes = np.zeros(corpus.n_cells, dtype=np.int64)
    if model.covariates:
        codes = corpus.covariate_codes[:, 0].astype(np.int64)
    known = np.flatnonzero(codes > 0)
    several = len(np.unique(codes[known])) > 1
    if not several:
        known = np.arange(corpus.n_cells)
    n_batches = len(next(iter(model.covariates.values()), ()))
    nothing = BatchMixture(0, 1, n_batches, model.config.encoder.n_d)
    head = IntegrateHead(network.gene_keys, nothing, len(model.labels))
    _set_axes(head, model, corpus, _sample(known, codes, MAX_CELLS_AXES, random_state), codes)
    rows = _sample(known, codes, MAX_CELLS, random_state)
    z = torch.empty(len(rows), model.config.encoder.n_d)
    done = 0
    for minibatch in corpus.minibatches(rows):
        found = head.linear(network.tokens(minibatch))
        z[done : done + len(found)] = found
        done += len(found)
    if several:
        head.mixture = fit_batch_mixture(
            z.double().numpy(), codes[rows], n_batches, random_state=random_state
        )
    if model.labels:
        corrected = head.mixture(z, torch.from_numpy(codes[rows]))
        labels = torch.from_numpy(corpus.label_codes[rows].astype(np.int64))
        for label in labels[labels >= 0].unique():
            head.centres[label] = corrected[labels == label].mean(0)
    network.integrate = head.eval()


def _set_axes(
    head: IntegrateHead,
    model: Model,
    corpus: Corpus,
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
) -> None:
    """Set the principal axes, each shrunk by the variance of the first that is left out.

    Values are divided by the root of the gene's deviation: between plain values, whose axes are
    those of a few loud genes, and standardised ones, in which the noise of silent genes counts.
    """
    n_axes = model.config.encoder.n_d
    x = log1p_matrix(corpus, rows, model.network.encoder.mean)
    mean = x.mean(0)
    std = np.sqrt(np.maximum((x * x).mean(0) - mean**2, 0)).clip(STD_FLOOR)
    measured = corpus.measured
    measured = measured[corpus.source_codes[rows]] if len(measured) > 1 else measured
    chosen = variable_genes(x, codes[rows], measured, N_GENES)
    weight = 1 / np.sqrt(std[chosen])
    x = sp.csr_array(x[:, chosen] @ sp.diags_array(weight))
    axes = principal_axes(x, mean[chosen] * weight, n_axes + 1)
    variance = (x @ axes).var(0)
    noise = variance[-1] if axes.shape[1] > n_axes else 0.0
    axes, variance = axes[:, :n_axes], variance[:n_axes]
    axes = axes * np.sqrt(np.maximum(0, 1 - noise / np.maximum(variance, 1e-12)))
    head.mean.copy_(torch.from_numpy(mean))
    table = torch.from_numpy(axes * weight[:, None]).float()
    head.axes.weight[torch.from_numpy(chosen), : axes.shape[1]] = table


def _sample(
    rows: NDArray[np.int64], codes: NDArray[np.int64], limit: int, random_state: int
) -> NDArray[np.int64]:
    """Return at most ``limit`` rows: all of small batches, an equal share of the others."""
    if len(rows) <= limit:
        return rows
    rows = np.random.default_rng(random_state).permutation(rows)
    # place of each row within its batch: what comes first in every batch is kept
    order = np.argsort(codes[rows], kind="stable")
    sizes = np.unique(codes[rows], return_counts=True)[1]
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.concatenate([np.arange(size) for size in sizes])
    return np.sort(rows[np.argsort(place, kind="stable")[:limit]])
