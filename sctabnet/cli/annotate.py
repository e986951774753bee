from __future__ import annotations

from typing import Literal

from sctabnet import _checks, tl
from sctabnet.cli._added_slots import add_slots, opened_h5ad
from sctabnet.model.model import Model


def annotate(
    data: str,
    model: str,
    out: str,
    layer: str | None = None,
    adapt: Literal["none", "statistics", "joint"] = "none",
    reference: str | None = None,
    labels: list[str] | None = None,
    coverage: float | None = None,
    false_positive_rate: float = 0.05,
    probability: bool = False,
    majority_voting: bool = False,
    clusters_key: str | None = None,
    ontology: str | None = None,
    ontology_terms: dict[str, str] | None = None,
    key_added: str = "sctabnet",
    overwrite: bool = False,
) -> None:
    """Name the cell type of every cell of a file.

    Args:
        data: File (.h5ad) with the cells; read in pieces where it is stored by rows (CSR).
        model: Folder of a trained model.
        out: File (.h5ad) to write: the same cells with label, confidence and embedding.
        layer: Layer to read; "raw" for .raw; X if not given.
        adapt: Fit the model to these cells first, without labels; "joint" suits a whole atlas of
            another chemistry and needs the reference.
        reference: File with the labelled cells that the model was fine-tuned on.
        labels: Give only these of the model's labels.
        coverage: Add sets of labels that hold the true one with this probability, e.g. 0.9.
        false_positive_rate: Share of cells of known types that may be flagged as unknown.
        probability: Add the probabilities of all labels.
        majority_voting: Add the label that most cells of a small cluster have.
        clusters_key: Column of .obs with clusters of your own, to vote in.
        ontology: File cl.obo: add the deepest term of the Cell Ontology that is safe to say.
        ontology_terms: Terms of labels that are no names of the ontology.
        key_added: Prefix of the new columns.
        overwrite: Replace the output file, and columns of that name.
    """
    _checks.check_new_file(out, overwrite=overwrite)
    trained = Model.load(model)
    with opened_h5ad(data) as adata:
        tl.transfer_labels(
            adata,
            trained,
            layer=layer,
            adapt=adapt,
            reference=reference,
            labels=labels,
            coverage=coverage,
            false_positive_rate=false_positive_rate,
            probability=probability,
            embedding=True,
            majority_voting=clusters_key or majority_voting or None,
            ontology=ontology,
            ontology_terms=ontology_terms,
            key_added=key_added,
            overwrite=overwrite,
        )
        add_slots(adata, data, out, prefix=key_added)
        counts = adata.obs[f"{key_added}_label"].value_counts()
        n_unknown = int(adata.obs[f"{key_added}_unknown"].sum())
    for label, n in counts[counts > 0].items():
        print(f"{n:8,}  {label}")
    print(f"{n_unknown:8,}  flagged as unknown")
    print(f"wrote {out}")
