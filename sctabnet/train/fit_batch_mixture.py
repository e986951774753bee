"""Find the soft clusters of cells from several batches and what each batch adds to them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sctabnet.nn.batch_mixture import SIGMA, BatchMixture

Array = NDArray[np.float64]

MAX_CLUSTERS = 100
CELLS_PER_CLUSTER = 30
MAX_ROUNDS = 10
DIVERSITY = 2.0
RIDGE = 0.1
_INNER_ROUNDS = 20
_TOLERANCE = 1e-2


def fit_batch_mixture(
    z: Array, codes: NDArray[np.int64], n_batches: int, *, random_state: int
) -> BatchMixture:
    """Return the correction that mixes the batches within soft clusters.

    As in Harmony (Korsunsky et al., Nat Methods 2019): spherical soft k-means that favours
    clusters in which batches are rare, then per cluster a ridge regression on the batches, until
    the cells stop moving. Two things differ. The favour is damped by half at each step in place
    of updating cells in random blocks, so that clusters are a function of a cell and its batch.
    The ridge is a tenth of a cell where Harmony takes a whole one, which on small data leaves a
    good part of the batch effect in place.

    Parameters
    ----------
    z
        float64 (n, d) cells, centred.
    codes
        int64 (n,) batch of each cell, 1 to ``n_batches``.
    n_batches
        Batches that the model knows; those without cells here stay uncorrected.
    random_state
        Seed of k-means.
    """
    n, dim = z.shape
    n_clusters = int(np.clip(round(n / CELLS_PER_CLUSTER), min(2, n), MAX_CLUSTERS))
    batch = np.eye(n_batches + 1)[codes]
    share = batch.mean(0)
    from sklearn.cluster import KMeans

    clusters = KMeans(n_clusters, n_init=1, random_state=random_state).fit(_unit(z))
    y, prior = _unit(clusters.cluster_centers_), np.zeros((n_batches + 1, n_clusters))
    corrected, rounds = z, []
    for _ in range(MAX_ROUNDS):
        y, prior, r = _cluster(_unit(corrected), y, prior, batch, codes, share)
        means, shifts = _regress(z, r, batch)
        before, corrected = corrected, z.copy()
        for code in np.unique(codes):
            own = codes == code
            corrected[own] -= np.einsum("nk,kd->nd", r[own], shifts[code])
        rounds.append((y, prior, means, shifts))
        if np.abs(corrected - before).mean() < 1e-3 * np.abs(z).mean():
            break
    mixture = BatchMixture(len(rounds), n_clusters, n_batches, dim)
    for buffer, values in zip(
        (mixture.clusters, mixture.prior, mixture.means, mixture.shifts),
        zip(*rounds, strict=True),
        strict=True,
    ):
        buffer.copy_(torch.from_numpy(np.stack(values)))
    return mixture


def _cluster(
    unit: Array, y: Array, prior: Array, batch: Array, codes: NDArray[np.int64], share: Array
) -> tuple[Array, Array, Array]:
    r = _assign(unit, y, prior[codes])
    for _ in range(_INNER_ROUNDS):
        y = _unit(r.T @ unit)
        expected = np.outer(share, r.sum(0))
        wanted = DIVERSITY * np.log((expected + 1) / (batch.T @ r + 1))
        prior = (prior + wanted) / 2
        before, r = r, _assign(unit, y, prior[codes])
        if np.abs(r - before).sum() < _TOLERANCE * len(unit):
            break
    prior[0] = 0
    return y, prior, r


def _assign(unit: Array, y: Array, prior_nk: Array) -> Array:
    logits = -2 * (1 - unit @ y.T) / SIGMA + prior_nk
    r = np.exp(logits - logits.max(1, keepdims=True))
    return r / r.sum(1, keepdims=True)


def _regress(z: Array, r: Array, batch: Array) -> tuple[Array, Array]:
    """Return the mean of each cluster (k, d) and each batch's shift from it (b, k, d).

    The ridge regression of the cells on an intercept without penalty and one indicator per batch,
    weighted by the shares ``r``, in closed form.
    """
    cells = (batch.T @ r)[:, :, None]
    sums = np.stack([(batch[:, [b]] * r).T @ z for b in range(batch.shape[1])])
    shrunk = cells / (cells + RIDGE)
    weight = (cells - shrunk * cells).sum(0)
    means = (sums - shrunk * sums).sum(0) / np.maximum(weight, 1e-12)
    return means, (sums - cells * means) / (cells + RIDGE)


def _unit(z: Array) -> Array:
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
