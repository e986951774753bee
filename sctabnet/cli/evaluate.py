from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sctabnet import _checks, evaluate, get, tl
from sctabnet._atomic import atomic_text
from sctabnet._errors import InputError
from sctabnet.cli._baselines import baseline_labels
from sctabnet.cli._files import read_h5ad
from sctabnet.data.cell_ontology import CellOntology
from sctabnet.evaluate.labels_by_type import labels_by_type
from sctabnet.train.finetune import finetune


def evaluate_labels(
    data: str,
    labels_key: str,
    group_key: str | None = None,
    key: str = "sctabnet",
    layer: str | None = None,
    seeds: int = 3,
    ontology: str | None = None,
    ontology_terms: dict[str, str] | None = None,
    out: str | None = None,
    overwrite: bool = False,
) -> None:
    """Score transferred labels against known ones.

    Without a group key, the labels that annotate wrote into the file. With one, every group in
    turn is held out and labelled by models of the others, beside logistic regression and the most
    frequent label.

    Args:
        data: File (.h5ad) with known labels.
        labels_key: Column of .obs with the known labels; cells without one are left out.
        group_key: Column of .obs with what is held out as a whole: donor, batch or chemistry.
        key: Prefix of the transferred labels.
        layer: Layer to read; "raw" for .raw; X if not given.
        seeds: Models per held-out group.
        ontology: File cl.obo: count kinds of the true type as right, and hops, too.
        ontology_terms: Terms of labels that are no names of the ontology.
        out: File (.csv) to write the scores to.
        overwrite: Replace that file.
    """
    if out is not None:
        _checks.check_new_file(out, overwrite=overwrite)
    known = None if ontology is None else CellOntology.load(ontology)
    adata = read_h5ad(data)
    _checks.check_obs_key(adata.obs.columns, labels_key, argument="labels_key")
    adata = adata[adata.obs[labels_key].notna()]
    if not adata.n_obs:
        raise InputError(f"obs[{labels_key!r}] names no label. Found no value in any cell.")
    truth = adata.obs[labels_key].astype(str).to_numpy()
    extra: dict[str, Any] = {"ontology": known, "ontology_terms": ontology_terms}
    if group_key is None:
        found = get.labels_df(adata, key=key)
        rows = [{"arm": key, **_score(truth, found, extra)}]
        print(labels_by_type(list(truth), list(found["label"].astype(str))).round(3).to_string())
        print()
    else:
        _checks.check_obs_key(adata.obs.columns, group_key, argument="group_key")
        rows = _leave_one_out(adata, labels_key, group_key, layer, seeds, extra)
    table = pd.DataFrame(rows)
    means = table.drop(columns="seed", errors="ignore").groupby("arm", sort=False)
    print(means.mean(numeric_only=True).round(3).to_string())
    if out is not None:
        atomic_text(out, table.to_csv(index=False))
        print(f"wrote {out}")


def _score(truth: NDArray[np.str_], found: pd.DataFrame, extra: dict[str, Any]) -> dict[str, float]:
    sets = list(found["label_set"].astype(str)) if "label_set" in found else None
    scores = evaluate.labels(
        list(truth),
        list(found["label"].astype(str)),
        confidence=found["confidence"],
        label_sets=sets,
        **extra,
    )
    if "unknown" in found:
        scores["unknown"] = float(found["unknown"].mean())
    return scores


def _leave_one_out(
    adata: anndata.AnnData,
    labels_key: str,
    group_key: str,
    layer: str | None,
    seeds: int,
    extra: dict[str, Any],
) -> list[dict[str, Any]]:
    """Hold every group out once; print and return one row per group, arm and seed."""
    groups = adata.obs[group_key].astype(str).to_numpy()
    names = np.unique(groups)
    if len(names) < 2:
        raise InputError(
            f"obs[{group_key!r}] must hold at least two groups, to hold one out. Found "
            f"{list(names)}. Pass --group_key with donors, batches or chemistries."
        )
    rows: list[dict[str, Any]] = []
    for name in names:
        reference, query = adata[groups != name].copy(), adata[groups == name].copy()
        known = reference.obs[labels_key].astype(str).to_numpy()
        truth = query.obs.pop(labels_key).astype(str).to_numpy()
        others = groups[groups != name]
        answers: list[tuple[str, int, pd.DataFrame]] = [
            (arm, 0, pd.DataFrame({"label": labels, "confidence": confidence}))
            for arm, (labels, confidence) in baseline_labels(
                reference, query, known, groups=others, layer=layer
            ).items()
        ]
        for seed in range(seeds):
            model = finetune(
                reference, labels_key=labels_key, batch_key=group_key, layer=layer, seed=seed
            )
            tl.transfer_labels(query, model, layer=layer, coverage=0.9, overwrite=True)
            answers.append(("sctabnet", seed, get.labels_df(query)))
        for arm, seed, found in answers:
            rows.append({"held_out": name, "arm": arm, "seed": seed, **_score(truth, found, extra)})
            macro, accuracy = rows[-1]["macro_f1"], rows[-1]["accuracy"]
            print(f"{name}  {arm}, seed {seed}: macro-F1 {macro:.3f}, accuracy {accuracy:.3f}")
    return rows
