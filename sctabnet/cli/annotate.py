from __future__ import annotations

from sctabnet import _checks, tl
from sctabnet.cli._files import read_h5ad, write_h5ad
from sctabnet.model.model import Model


def annotate(
    data: str,
    model: str,
    out: str,
    layer: str | None = None,
    coverage: float | None = None,
    false_positive_rate: float = 0.05,
    probability: bool = False,
    key_added: str = "sctabnet",
    overwrite: bool = False,
) -> None:
    """Name the cell type of every cell of a file.

    Args:
        data: File (.h5ad) with the cells.
        model: Folder of a trained model.
        out: File (.h5ad) to write: the same cells with label, confidence and embedding.
        layer: Layer to read; "raw" for .raw; X if not given.
        coverage: Add sets of labels that hold the true one with this probability, e.g. 0.9.
        false_positive_rate: Share of cells of known types that may be flagged as unknown.
        probability: Add the probabilities of all labels.
        key_added: Prefix of the new columns.
        overwrite: Replace the output file, and columns of that name.
    """
    _checks.check_not_there(out, overwrite=overwrite)
    _checks.check_writable(out)
    trained = Model.load(model)
    adata = read_h5ad(data)
    tl.transfer_labels(
        adata,
        trained,
        layer=layer,
        coverage=coverage,
        false_positive_rate=false_positive_rate,
        probability=probability,
        key_added=key_added,
        overwrite=overwrite,
    )
    tl.embed(adata, trained, layer=layer, key_added=key_added)
    write_h5ad(adata, out)
    counts = adata.obs[f"{key_added}_label"].value_counts()
    for label, n in counts[counts > 0].items():
        print(f"{n:8,}  {label}")
    print(f"{int(adata.obs[f'{key_added}_unknown'].sum()):8,}  flagged as unknown")
    print(f"wrote {out}")
