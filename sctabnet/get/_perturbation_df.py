from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from sctabnet import _checks
from sctabnet._result_checks import check_result


def perturbation_df(adata: AnnData, condition: str, *, n_genes: int | None = None) -> pd.DataFrame:
    """Rank the genes that respond to a perturbation.

    Parameters
    ----------
    adata
        From :func:`sctabnet.tl.predict_perturbation` with ``return_="delta"``.
    condition
        Name of one of its rows in ``obs["perturbation"]`` or ``obs["condition"]``.
    n_genes
        Keep that many genes per row.

    Returns
    -------
    Data frame with the columns ``condition``, ``gene``, ``delta`` (log1p), ``lower``, ``upper`` and
    ``excludes_zero``, the strongest response first; one block per context.

    Raises
    ------
    KeyError
        If the condition was not predicted, or ``adata`` holds no intervals.

    Examples
    --------
    >>> import sctabnet as sct
    >>> screen, model = sct.datasets.example_perturbation()
    >>> effects = sct.tl.predict_perturbation(screen, model, ["P3"], return_="delta")
    >>> sct.get.perturbation_df(effects, "P3", n_genes=2).columns[:3].tolist()
    ['condition', 'gene', 'delta']
    """
    check_result(
        adata.layers, "lower", slot="layers",
        call='sctabnet.tl.predict_perturbation(adata, model, perturbations, return_="delta")',
    )  # fmt: skip
    asked = adata.obs["perturbation"].astype(str).eq(condition)
    rows = np.flatnonzero((asked | adata.obs["condition"].astype(str).eq(condition)).to_numpy())
    if not len(rows):
        _checks.check_group(condition, sorted(set(adata.obs["condition"].astype(str))))
    blocks = []
    for row in rows:
        delta = np.asarray(adata.X[row]).ravel()
        lower = np.asarray(adata.layers["lower"][row]).ravel()
        upper = np.asarray(adata.layers["upper"][row]).ravel()
        block = pd.DataFrame(
            {
                "condition": adata.obs_names[row],
                "gene": adata.var_names,
                "delta": delta,
                "lower": lower,
                "upper": upper,
                "excludes_zero": (lower > 0) | (upper < 0),
            }
        )
        order = np.argsort(-np.abs(delta), kind="stable")[:n_genes]
        blocks.append(block.iloc[order])
    return pd.concat(blocks, ignore_index=True)
