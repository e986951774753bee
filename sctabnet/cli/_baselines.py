"""What simple methods say, so that ours is never shown alone."""

from __future__ import annotations

import anndata
import numpy as np
import scanpy as sc
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sctabnet._value_kind import detect_value_kind
from sctabnet.train.ridge import PENALTIES
from sctabnet.train.split_cells import split_cells

Answer = tuple[NDArray[np.str_], NDArray[np.float64]]


def baseline_labels(
    reference: anndata.AnnData,
    query: anndata.AnnData,
    labels: NDArray[np.str_],
    *,
    groups: NDArray[np.str_] | None,
    layer: str | None,
) -> dict[str, Answer]:
    """Return labels and confidences by logistic regression and by the most frequent label.

    Parameters
    ----------
    reference, query
        Cells with the same genes.
    labels
        (n_reference,) known labels.
    groups
        (n_reference,) what the inner folds that choose the penalty keep whole, or None.
    layer
        Layer to read; ``"raw"``, or None for ``X``.
    """
    codes = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    of = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64)
    everyone = np.arange(len(labels))
    folds = [(np.setdiff1d(everyone, f), f) for f in split_cells(codes, of, n_folds=3)]
    x, x_query = _log1p(reference, layer), _log1p(query, layer)
    regression = GridSearchCV(
        LogisticRegression(max_iter=1000), {"C": list(PENALTIES)}, cv=folds, scoring="accuracy"
    )
    answers = {}
    for name, model in (("logistic regression", regression), ("majority class", DummyClassifier())):
        probability = model.fit(x, labels).predict_proba(x_query)
        answers[name] = (model.classes_[probability.argmax(1)], probability.max(1))
    return answers


def _log1p(adata: anndata.AnnData, layer: str | None) -> sp.csr_matrix:
    """Return the matrix as a baseline would take it: log1p of counts per 10,000."""
    matrix = adata.raw.X if layer == "raw" else adata.X if layer is None else adata.layers[layer]
    plain = anndata.AnnData(sp.csr_matrix(matrix, dtype=np.float32))
    if detect_value_kind(plain.X) == "counts":
        sc.pp.normalize_total(plain, target_sum=1e4)
        sc.pp.log1p(plain)
    return plain.X
