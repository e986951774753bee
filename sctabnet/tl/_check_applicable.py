from __future__ import annotations

from anndata import AnnData

from sctabnet import _checks
from sctabnet.model.model import Model


def check_applicable(adata: object, model: object) -> None:
    """Raise unless cells and model are objects in memory; paths are what people try first.

    Raises
    ------
    ValueError
        If either is of another class.
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
