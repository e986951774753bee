from __future__ import annotations

from typing import Literal

from sctabnet import _checks, get, tl
from sctabnet._keys import Keys
from sctabnet.cli._files import read_h5ad, write_h5ad
from sctabnet.model.model import Model


def explain(
    data: str,
    model: str,
    out: str,
    groupby: str | None = None,
    layer: str | None = None,
    method: Literal["contribution", "integrated_gradients", "mask", "permutation"] | None = None,
    certify: bool = False,
    attention: bool = False,
    key_added: str = "sctabnet",
    overwrite: bool = False,
) -> None:
    """Rank the genes that a model uses, for all cells and for groups of cells.

    Args:
        data: File (.h5ad) with the cells.
        model: Folder of a trained model.
        out: File (.h5ad) to write: the same cells with importances in .var, .varm and .uns.
        groupby: Column of .obs with groups of cells; the predicted labels if not given.
        layer: Layer to read; "raw" for .raw; X if not given.
        method: What is ranked; by default what a deletion test on some of the cells favours.
        certify: Add q-values; the cells must be new to the model and groupby their known labels.
        attention: Add every cell's attention as sparse layers.
        key_added: Prefix of the new slots.
        overwrite: Replace the output file.
    """
    _checks.check_new_file(out, overwrite=overwrite)
    trained = Model.load(model)
    adata = read_h5ad(data)
    tl.gene_importance(
        adata,
        trained,
        groupby,
        layer=layer,
        method=method,
        certify=certify,
        attention=attention,
        key_added=key_added,
    )
    write_h5ad(adata, out)
    if Keys(key_added).importance in adata.uns:
        best = get.importance_df(adata, n_genes=8, key=key_added)
        for name, genes in best.groupby("group", sort=False):
            print(f"{name}: {', '.join(genes['gene'])}")
    print(f"wrote {out}")
