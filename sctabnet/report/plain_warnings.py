from __future__ import annotations

from typing import Any

import pandas as pd
from anndata import AnnData

from sctabnet.model.model import Model

_FEW_GENES = 0.7
_MANY_UNKNOWN = 2.0
_DOUBTFUL = 0.2


def plain_warnings(
    adata: AnnData,
    model: Model,
    table: pd.DataFrame,
    n_shared: int,
    made: dict[str, Any],
    key: str,
) -> list[str]:
    """Return what a reader should know before believing the labels, one sentence or two each.

    Parameters
    ----------
    adata
        Annotated cells.
    model
        The model that annotated them.
    table
        From :func:`sctabnet.get.labels_df`.
    n_shared
        Genes of the model that the cells have.
    made
        How the labels were made, from ``adata.uns[key]["params"]``.
    key
        Prefix of the labels.
    """
    lines = []
    n_model = len(model.vocabulary)
    if n_shared < _FEW_GENES * n_model:
        lines.append(
            f"Only {n_shared:,} of the model's {n_model:,} genes were measured here "
            f"({n_shared / n_model:.0%}). Labels rest on fewer genes than the model was trained on."
        )
    rate = float(made.get("false_positive_rate", 0.05))
    unknown = float(table["unknown"].mean())
    if unknown > _MANY_UNKNOWN * rate:
        lines.append(
            f"{unknown:.1%} of the cells are flagged as unknown; about {rate:.0%} would be if all "
            "were of known types. Look for types, states or a quality that the reference lacks."
        )
    doubtful = float((table["confidence"] < 0.5).mean())
    if doubtful > _DOUBTFUL:
        lines.append(
            f"{doubtful:.1%} of the cells have a label of confidence below 0.5: another label or "
            "several others are as likely. Use label sets (coverage=) or coarser labels there."
        )
    if float(made.get("set_widening") or 0) > 0:
        lines.append(
            "The model is less sure of these cells than of held-out reference cells, beyond "
            "chance: another chemistry, tissue or state? Label sets were widened for that; "
            "confidences may be off."
        )
    for covariate, levels in model.covariates.items():
        if covariate not in adata.obs:
            lines.append(
                f"The model knows the covariate {covariate!r}, which these cells lack. "
                "They were treated as of an unknown level, as it was trained for."
            )
        elif not set(adata.obs[covariate].astype(str)) & set(levels):
            lines.append(
                f"No level of {covariate!r} is known to the model: the cells come from new batches."
            )
    weights = made.get("weights")
    if weights is not None and weights != model.digest():
        lines.append(
            "The labels were not made by this model: its weights have another digest. "
            f"Annotate again, or give the model whose digest begins with {str(weights)[:12]}."
        )
    return lines
