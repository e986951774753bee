from __future__ import annotations

import pandas as pd
from anndata import AnnData

from sctabnet import _checks
from sctabnet._keys import Keys


def labels_df(adata: AnnData, *, key: str = "sctabnet") -> pd.DataFrame:
    """Return label, confidence, margin and unknown flag of every cell.

    Parameters
    ----------
    adata
        Annotated by :func:`sctabnet.tl.transfer_labels`.
    key
        The ``key_added`` of that call.

    Returns
    -------
    Data frame with one row per cell and the columns ``label``, ``confidence``, ``margin``,
    ``unknown`` and, where they were asked for, ``label_set``, ``majority_label``,
    ``majority_share``, ``ontology_label``, ``ontology_term``, ``ontology_confidence``.

    Raises
    ------
    KeyError
        If the labels were not computed yet.

    Examples
    --------
    >>> import sctabnet as sct
    >>> sct.get.labels_df(sct.datasets.example()[0]).columns[:4].tolist()
    ['label', 'confidence', 'margin', 'unknown']
    """
    keys = Keys(key)
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
    present = {name: slot for name, slot in columns.items() if slot in adata.obs}
    return pd.DataFrame({name: adata.obs[slot] for name, slot in present.items()})
