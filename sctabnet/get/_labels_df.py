from __future__ import annotations

from typing import Literal

import pandas as pd
from anndata import AnnData

from sctabnet import _checks
from sctabnet._keys import Keys
from sctabnet._result_checks import check_result

Convention = Literal["sctabnet", "celltypist", "scvi"]

# what the tools' own documentation names the column that predictions are put into
_SCVI_LABELS = ("C_scANVI", "predictions_scanvi", "scanvi_predictions", "scANVI_predictions")
_STRANGERS = {"celltypist": "Unassigned", "scvi": "Unknown"}


def labels_df(
    adata: AnnData, *, key: str | None = None, convention: Convention = "sctabnet"
) -> pd.DataFrame:
    """Return label, confidence and unknown flag of every cell, from us or from another tool.

    The columns have the same names whichever tool wrote them, so that old annotations can be laid
    beside new ones: ``pandas.crosstab(old["label"], new["label"])``.

    Parameters
    ----------
    adata
        Annotated by :func:`sctabnet.tl.transfer_labels`, or by another tool.
    key
        The ``key_added`` of that call (None is ``"sctabnet"``); the ``prefix`` of CellTypist's
        ``to_adata`` (None is none); the column of scANVI's predictions (None is the first of
        ``C_scANVI``, ``predictions_scanvi``, ``scanvi_predictions``, ``scANVI_predictions``).
    convention
        ``"sctabnet"``; ``"celltypist"`` reads ``predicted_labels``, ``conf_score``,
        ``over_clustering`` and ``majority_voting``; ``"scvi"`` reads the column that the
        predictions of scANVI were put into.

    Returns
    -------
    Data frame with one row per cell and the columns ``label``, ``confidence``, ``margin``,
    ``unknown`` and, where they were asked for, ``label_set``, ``majority_label``,
    ``majority_share``, ``ontology_label``, ``ontology_term``, ``ontology_confidence``. Of other
    tools ``label``, ``unknown`` (CellTypist's ``Unassigned``, scANVI's ``Unknown``) and, where
    they are there, ``confidence``, ``majority_label`` and ``cluster``.

    Raises
    ------
    KeyError
        If the labels were not computed yet.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata, _ = sct.datasets.example()
    >>> sct.get.labels_df(adata).columns[:4].tolist()
    ['label', 'confidence', 'margin', 'unknown']

    An annotation of CellTypist beside ours:

    >>> adata.obs["predicted_labels"] = adata.obs["cell_type"]  # as CellTypist writes it
    >>> old = sct.get.labels_df(adata, convention="celltypist")
    >>> bool((old["label"] == sct.get.labels_df(adata)["label"]).mean() > 0.9)
    True
    """
    _checks.check_choice(convention, ("sctabnet", "celltypist", "scvi"), argument="convention")
    if convention != "sctabnet":
        columns = _celltypist(key or "") if convention == "celltypist" else _scvi(adata, key)
        call = {"celltypist": "celltypist.annotate(...).to_adata()", "scvi": "scANVI's predict"}
        check_result(adata.obs.columns, columns["label"], slot="obs", call=call[convention])
        frame = _read(adata, columns)
        strange = frame["label"].astype(object) == _STRANGERS[convention]
        frame.insert(len(frame.columns.intersection(["label", "confidence"])), "unknown", strange)
        return frame
    keys = Keys("sctabnet" if key is None else key)
    _checks.check_computed(adata.obs.columns, keys.label, call="sctabnet.tl.transfer_labels")
    columns = {
        "label": keys.label,
        "confidence": keys.confidence,
        "margin": keys.margin,
        "unknown": keys.unknown,
        "label_set": keys.label_set,
        "majority_label": keys.majority_label,
        "majority_share": keys.majority_share,
        "ontology_label": keys.ontology_label,
        "ontology_term": keys.ontology_term,
        "ontology_confidence": keys.ontology_confidence,
    }
    return _read(adata, columns)


def _celltypist(prefix: str) -> dict[str, str]:
    return {
        "label": f"{prefix}predicted_labels",
        "confidence": f"{prefix}conf_score",
        "majority_label": f"{prefix}majority_voting",
        "cluster": f"{prefix}over_clustering",
    }


def _scvi(adata: AnnData, key: str | None) -> dict[str, str]:
    found = (name for name in _SCVI_LABELS if name in adata.obs)
    return {"label": key or next(found, _SCVI_LABELS[0])}


def _read(adata: AnnData, columns: dict[str, str]) -> pd.DataFrame:
    present = {name: slot for name, slot in columns.items() if slot in adata.obs}
    return pd.DataFrame({name: adata.obs[slot] for name, slot in present.items()})
