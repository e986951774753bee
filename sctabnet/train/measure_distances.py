"""Learn what cells of each known type look like, and how far held-out cells are from that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from sctabnet.data.corpus import Corpus
from sctabnet.model.model import Model
from sctabnet.model.type_distance import TypeDistance
from sctabnet.train.log1p_matrix import log1p_matrix
from sctabnet.train.principal_axes import principal_axes

MAX_CELLS = 20_000
N_AXES = 50
SHRINKAGE = 0.3  # of the covariance within types towards a sphere


def measure_distances(
    model: Model,
    corpus: Corpus,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    *,
    random_state: int,
) -> None:
    """Set ``model.type_distance``, and the distances of the calibration's cells, in place.

    Parameters
    ----------
    model
        Calibrated: its calibration begins with the validation cells.
    corpus
        Where the cells are read from.
    train
        Rows that the axes and centres are learned from, at most 20,000 of them.
    validation
        Rows of the held-out cells that the calibration begins with, in its order.
    random_state
        Seed of the sample of rows.
    """
    assert model.calibration is not None, "only a calibrated model knows what to measure"
    encoder = model.network.encoder
    if len(train) > MAX_CELLS:
        train = np.sort(np.random.default_rng(random_state).permutation(train)[:MAX_CELLS])
    labels = corpus.label_codes[train]
    x = log1p_matrix(corpus, train, encoder.mean)
    mean, std = encoder.mean.double().numpy(), encoder.std.double().numpy()
    scaled = sp.csr_array(x @ sp.diags_array(1 / std))
    axes = principal_axes(scaled, mean / std, N_AXES) / std[:, None]
    # a type without a training cell takes the centre of all
    centres = np.repeat(mean[:, None], len(model.labels), axis=1)
    for label in np.unique(labels):
        centres[:, label] = np.asarray(x[labels == label].mean(0)).ravel()
    within = x @ axes - (centres.T @ axes)[labels]
    covariance = within.T @ within / len(within)
    sphere = np.trace(covariance) / max(len(covariance), 1) * np.eye(len(covariance))
    root = np.linalg.cholesky((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere)
    axes = solve_triangular(root, axes.T, lower=True).T
    distance = TypeDistance(torch.from_numpy(axes).float(), torch.from_numpy(centres).float())
    distances = torch.full((len(model.calibration.labels),), torch.nan)
    network = model.network.cpu()
    where = torch.zeros(corpus.n_cells, dtype=torch.int64)
    where[torch.from_numpy(validation)] = torch.arange(len(validation))
    for minibatch in corpus.minibatches(validation):
        found = distance(network.tokens(minibatch))
        distances[where[minibatch.row_ids]] = found
    model.type_distance = distance
    model.calibration = replace(model.calibration, distances=distances)
