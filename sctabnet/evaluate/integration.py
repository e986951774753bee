"""Scores of a batch-integrated embedding: batches mixed, cell types kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse as sp
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from sctabnet._errors import InputError, MissingKeyError
from sctabnet.evaluate.batch_acceptance import batch_acceptance
from sctabnet.evaluate.batch_variance import batch_variance
from sctabnet.evaluate.local_diversity import local_diversity
from sctabnet.evaluate.nearest_cells import NearestCells
from sctabnet.evaluate.silhouette_widths import silhouette_widths

_BIO = ("isolated_labels", "nmi", "ari", "silhouette_label", "clisi")
_BATCH = ("bras", "ilisi", "kbet", "graph_connectivity", "pcr_comparison")


def integration(
    adata: Any,
    *,
    embedding: str = "X_sctabnet",
    batch_key: str,
    labels_key: str,
    unintegrated: str | None = None,
    max_cells: int = 50_000,
    random_state: int = 0,
) -> dict[str, float]:
    """Score an embedding as scib-metrics does, with scikit-learn and scipy alone.

    The definitions and weights are those of scib-metrics 0.5 (Luecken et al., Nat Methods 2022).
    Neighbours are exact and k-means is started ten times, so values differ from it by about .01.
    No single number says that an embedding is good: compact islands are rewarded even where they
    tear a continuum apart, so look at the parts and at a plot too.

    Parameters
    ----------
    adata
        AnnData with the embedding. Cells without label or batch are left out.
    embedding
        Key of ``.obsm``.
    batch_key, labels_key
        Columns of ``.obs`` with batch and cell type.
    unintegrated
        Key of ``.obsm`` with an embedding before integration, for ``pcr_comparison``. None takes
        50 principal components of the log1p-normalised ``X``.
    max_cells
        Larger data are scored on so many cells drawn at random: time grows with the square.
    random_state
        Seed of that draw and of k-means.

    Returns
    -------
    Between 0 and 1, higher is better. Cell types: ``isolated_labels`` (silhouette of the labels
    in the fewest batches), ``nmi`` and ``ari`` of k-means clusters, ``silhouette_label``,
    ``clisi``. Batches: ``bras``, ``ilisi``, ``kbet``, ``graph_connectivity``,
    ``pcr_comparison``; NaN where no label lies in two batches. ``bio`` and ``batch`` are their
    means over what is no NaN, ``total`` is 0.6 bio + 0.4 batch.

    Raises
    ------
    ValueError, KeyError
        If a column or embedding is not there, the embedding is not finite, or there are fewer
        than two batches or labels.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata, model = sct.datasets.example()
    >>> sct.tl.embed(adata, model)
    >>> scores = integration(adata, batch_key="batch", labels_key="cell_type")
    >>> 0 < scores["bio"] <= 1 and 0 < scores["batch"] <= 1
    True
    """
    labels, batches, rows = _codes(adata, batch_key, labels_key)
    if len(rows) > max_cells:
        kept = np.random.default_rng(random_state).permutation(len(rows))[:max_cells]
        kept.sort()
        labels, batches, rows = labels[kept], batches[kept], rows[kept]
        labels, batches = (np.unique(c, return_inverse=True)[1] for c in (labels, batches))
    x = _embedding(adata, embedding)[rows]
    before = _principal(adata.X)[rows] if unintegrated is None else _embedding(adata, unintegrated)
    before = before if unintegrated is None else before[rows]
    n_labels, n_batches = labels.max() + 1, batches.max() + 1
    near = NearestCells.of(x, 90)
    widths = silhouette_widths(x, labels)
    clusters = KMeans(n_labels, n_init=10, random_state=random_state).fit_predict(x)
    scores = {
        "isolated_labels": _isolated(widths, labels, batches),
        "nmi": normalized_mutual_info_score(labels, clusters),
        "ari": adjusted_rand_score(labels, clusters),
        "silhouette_label": (widths.mean() + 1) / 2,
        "clisi": (n_labels - np.nanmedian(local_diversity(near, labels))) / (n_labels - 1),
        "bras": _bras(x, labels, batches),
        "ilisi": (np.nanmedian(local_diversity(near, batches)) - 1) / (n_batches - 1),
        "kbet": batch_acceptance(near.first(50), batches, labels),
        "graph_connectivity": _connectivity(near.first(15), labels),
        "pcr_comparison": _pcr_comparison(before, x, batches),
    }
    scores["bio"] = np.nanmean([scores[name] for name in _BIO])
    scores["batch"] = np.nanmean([scores[name] for name in _BATCH])
    scores["total"] = 0.6 * scores["bio"] + 0.4 * scores["batch"]
    return {name: float(score) for name, score in scores.items()}


def _codes(
    adata: Any, batch_key: str, labels_key: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    columns = []
    for key in (labels_key, batch_key):
        if key not in adata.obs:
            raise MissingKeyError(
                f"{key!r} is no column of .obs. Found {list(adata.obs)[:10]}. Name one."
            )
        columns.append(pd.Categorical(adata.obs[key]).codes)
    rows = np.flatnonzero((columns[0] >= 0) & (columns[1] >= 0))
    codes = [np.unique(column[rows], return_inverse=True)[1] for column in columns]
    for key, code in zip((labels_key, batch_key), codes, strict=True):
        if len(np.unique(code)) < 2:
            raise InputError(
                f"{key!r} must have two values at least among the cells that have label and batch. "
                f"Found {len(np.unique(code))} in {len(rows)} cells. Choose another column."
            )
    return codes[0], codes[1], rows


def _embedding(adata: Any, key: str) -> NDArray[np.float64]:
    if key not in adata.obsm:
        raise MissingKeyError(
            f"{key!r} is not in .obsm. Found {list(adata.obsm)}. Run sct.tl.embed first."
        )
    x = np.asarray(adata.obsm[key], dtype=np.float64)
    if not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).any(1).sum())
        raise InputError(
            f"obsm[{key!r}] must be finite. Found NaN or infinity in {bad} cells. Remove them."
        )
    return x


def _principal(values: Any) -> NDArray[np.float64]:
    """Return 50 principal components of log1p values per 10,000 counts."""
    x = sp.csr_array(values if sp.issparse(values) else np.asarray(values), dtype=np.float64)
    if np.array_equal(x.data, np.round(x.data)):
        x = sp.diags_array(1e4 / np.maximum(np.asarray(x.sum(1)).ravel(), 1)) @ x
        x.data = np.log1p(x.data)
    return PCA(
        min(50, *(s - 1 for s in x.shape)), svd_solver="arpack", random_state=0
    ).fit_transform(x)


def _isolated(
    widths: NDArray[np.float64], labels: NDArray[np.int64], batches: NDArray[np.int64]
) -> float:
    pairs = np.unique(np.stack([labels, batches], 1), axis=0)
    n_batches = np.bincount(pairs[:, 0])
    alone = np.flatnonzero(n_batches == n_batches.min())
    return float(np.mean([(widths[labels == label].mean() + 1) / 2 for label in alone]))


def _bras(x: NDArray[np.float64], labels: NDArray[np.int64], batches: NDArray[np.int64]) -> float:
    scores = []
    for label in np.unique(labels):
        own = labels == label
        _, codes = np.unique(batches[own], return_inverse=True)
        if 1 < codes.max() + 1 < own.sum():
            widths = silhouette_widths(x[own], codes, metric="cosine", others="all")
            scores.append((1 - np.abs(widths)).mean())
    return float(np.mean(scores)) if scores else float("nan")


def _connectivity(near: NearestCells, labels: NDArray[np.int64]) -> float:
    n, k = near.indices.shape
    graph = sp.csr_array(
        (np.ones(n * k), (np.repeat(np.arange(n), k), near.indices.ravel())), shape=(n, n)
    )
    shares = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        _, pieces = connected_components(graph[own][:, own], connection="strong")
        shares.append(np.bincount(pieces).max() / len(own))
    return float(np.mean(shares))


def _pcr_comparison(
    before: NDArray[np.float64], after: NDArray[np.float64], batches: NDArray[np.int64]
) -> float:
    old, new = batch_variance(before, batches), batch_variance(after, batches)
    return max((old - new) / old, 0.0) if old > 0 else float("nan")
