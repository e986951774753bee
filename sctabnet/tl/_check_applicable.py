from __future__ import annotations

from typing import Any

from anndata import AnnData

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet.model.model import Model


def check_applicable(adata: Any, model: object, *, copy: bool) -> None:
    """Raise unless cells and model are objects, and results can be written into the cells.

    Paths are what people try first.

    Raises
    ------
    ValueError
        If either is of another class, or ``adata`` a view of a file and no copy is asked for.
    """
    _checks.check_kind(
        adata, AnnData, argument="adata", advice="Read a file with anndata.read_h5ad(path) first."
    )
    _checks.check_kind(
        model,
        Model,
        argument="model",
        advice="Read it with sctabnet.Model.load(folder) first.",
    )
    if not copy and adata.is_view and adata.isbacked:
        raise InputError(
            "adata is a view of a backed AnnData, which nothing can be written into. Found "
            f"{adata.n_obs} cells of {adata.filename}. Call adata.to_memory() first, or pass "
            "copy=True."
        )
