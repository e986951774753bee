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
from sctabnet.train.type_distances import type_distances

MAX_CELLS = 20_000
N_AXES = 50
SHRINKAGE = 0.3  # of the covariance within types towards a sphere
MIXED = 0.01  # of all types' mean in a type's shares of molecules
FLOOR = 1e-7  # the least share of a gene
Array = NDArray[np.float64]


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
    model.type_distance = TypeDistance(
        torch.from_numpy(axes).float(),
        torch.from_numpy(centres).float(),
        torch.from_numpy(_log_profiles(x, labels, len(model.labels))).float(),
    )
    shape = len(model.calibration.labels), model.type_distance.n_distances
    distances = torch.full(shape, torch.nan)
    distances[: len(validation)] = type_distances(model, corpus, validation)
    model.calibration = replace(model.calibration, distances=distances)


def _log_profiles(x: sp.csr_array, labels: NDArray[np.int64], n_labels: int) -> Array:
    """Return (g, c) the logarithm of each gene's share of the molecules of a type.

    A little of the mean of all types is mixed in, and of a share for every gene, so that few cells
    do not say of a gene that their type never has it. A type without a cell has the mean.
    """
    shares = x.expm1()
    shares = sp.csr_array(sp.diags_array(1 / np.maximum(shares.sum(1), 1e-12)) @ shares)
    present = np.unique(labels)
    means = np.stack([np.asarray(shares[labels == label].mean(0)).ravel() for label in present])
    mean = means.mean(0)
    profiles = np.repeat(mean[:, None], n_labels, axis=1)
    profiles[:, present] = (1 - MIXED) * means.T + MIXED * mean[:, None]
    profiles += FLOOR
    return np.log(profiles / profiles.sum(0))
