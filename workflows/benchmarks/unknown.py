"""Are cells of a type that the reference lacks flagged? Every type is left out once.

    python workflows/benchmarks/unknown.py DATA.h5ad --labels-key cell_type --group-key technology

All groups but one are the reference, without the cells of one type; the query is the other group.
Prints the area under the ROC curve of each score for telling the left-out type from the others, the
share of known cells that is flagged (5 % is asked for) and the share of the left-out type.
``--deep`` trains the TabNet term too, which takes longer and leaves the score much the same.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scanpy as sc
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import sctabnet as sct


def main() -> None:
    """Parse the arguments, leave every type out, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--labels-key", required=True)
    parser.add_argument("--group-key", required=True)
    parser.add_argument("--min-cells", type=int, default=10, help="of a left-out type in the query")
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--out", default="workflows/benchmarks/results")
    options = parser.parse_args()
    sct.settings.progress_bar = False
    warnings.simplefilter("ignore")
    adata = sc.read_h5ad(options.data)
    adata.obs["type"] = adata.obs[options.labels_key].astype(str)
    adata = adata[adata.obs["type"].map(adata.obs["type"].value_counts()) >= 10].copy()
    groups = adata.obs[options.group_key].astype(str).to_numpy()
    rows = []
    for group in np.unique(groups):
        query = adata[groups == group].copy()
        for left_out, n in query.obs["type"].value_counts().items():
            if n < options.min_cells:
                continue
            keep = (groups != group) & (adata.obs["type"] != left_out).to_numpy()
            scores = _scores(adata[keep].copy(), query, options)
            strange = (query.obs["type"] == left_out).to_numpy()
            flagged = scores.pop("flagged")
            row = {"held_out": group, "left_out": left_out, "cells": int(n)}
            row |= {name: roc_auc_score(strange, score) for name, score in scores.items()}
            row |= {"known flagged": flagged[~strange].mean()}
            row |= {"left-out flagged": flagged[strange].mean()}
            rows.append(row)
            print(
                {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True
            )
    table = pd.DataFrame(rows)
    means = table.mean(numeric_only=True).round(3)
    print(means.to_string())
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * table.shape[1] + "|"]
    total = {"held_out": "mean", "left_out": "", **means.to_dict()}
    for row in [*table.to_dict("records"), total]:
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    stem = f"{time.strftime('%Y-%m-%d')}_unknown_{Path(options.data).stem}"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / f"{stem}.csv", index=False)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n" + "\n".join(lines) + "\n")


def _scores(
    reference: anndata.AnnData, query: anndata.AnnData, options: argparse.Namespace
) -> dict[str, np.ndarray]:
    model = sct.finetune(
        reference, labels_key="type", batch_key=options.group_key, deep=options.deep
    )
    asked = query.copy()
    sct.tl.transfer_labels(asked, model)
    known, new = (_log1p(cells) for cells in (reference, query))
    regression = LogisticRegression(C=0.1, max_iter=300).fit(known, reference.obs["type"])
    logits = regression.decision_function(new)
    return {
        "sctabnet": asked.obs["sctabnet_unknown_score"].to_numpy(),
        "flagged": asked.obs["sctabnet_unknown"].to_numpy(),
        "regression, 1 - largest probability": 1 - regression.predict_proba(new).max(1),
        "regression, energy": -logsumexp(logits, axis=1),
    }


def _log1p(adata: anndata.AnnData) -> np.ndarray:
    plain = anndata.AnnData(adata.X.astype(np.float32))
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    return plain.X


if __name__ == "__main__":
    main()
