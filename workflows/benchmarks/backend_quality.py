"""Train the same on every backend and precision: does the answer stay the same.

    python workflows/benchmarks/backend_quality.py pbmc_crosstech.h5ad --group 10x_3p_v1

Cells of one group are held out; for each seed a model is trained with every backend of
``sctabnet.ops``, and in bfloat16 autocast. Prints macro-F1 of the model and of its TabNet term
alone, how far the TabNet term's logits lie from those of the first arm, and CPU seconds. The two
supports of the masks are compared the same way. Rounding differs between arms, and training
magnifies it: what counts is that scores differ no more than between seeds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
import torch

import sctabnet as sct
from sctabnet.ops import set_backend
from sctabnet.tl._open_query import open_query

ARMS = {
    "numba": ("numba", {}),
    "torch": ("torch", {}),
    "numba, bf16": ("numba", {"precision": "bf16-mixed"}),
    "numba, panel support": ("numba", {"support": "panel"}),
}


def main() -> None:
    """Parse the arguments, train every arm, print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--labels-key", default="cell_type")
    parser.add_argument("--group-key", default="technology")
    parser.add_argument("--group", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--out", default="workflows/benchmarks/results")
    options = parser.parse_args()
    sct.settings.progress_bar = False
    warnings.simplefilter("ignore")
    adata = sc.read_h5ad(options.data)
    labels = adata.obs[options.labels_key].astype(str)
    adata = adata[labels.map(labels.value_counts()) >= 10].copy()
    held_out = (adata.obs[options.group_key].astype(str) == options.group).to_numpy()
    rows = []
    for seed in range(options.seeds):
        first = None
        for arm in options.arms:
            backend, config = ARMS[arm]
            started = time.process_time()
            with set_backend(backend):
                model = sct.finetune(
                    adata[~held_out].copy(), labels_key=options.labels_key,
                    batch_key=options.group_key, seed=seed, **config,
                )  # fmt: skip
            seconds = time.process_time() - started
            query = adata[held_out].copy()
            truth = query.obs.pop(options.labels_key).astype(str).to_numpy()
            sct.tl.transfer_labels(query, model)
            deep = logits(query, model)
            first = deep if first is None else first
            found = query.obs["sctabnet_label"].astype(str).to_numpy()
            alone = np.array(model.labels)[deep.argmax(1)]
            row = {"arm": arm, "seed": seed, "seconds": seconds}
            row["macro_f1"] = sct.evaluate.labels(truth, found)["macro_f1"]
            row["tabnet_f1"] = sct.evaluate.labels(truth, alone)["macro_f1"]
            row["logits_moved"] = float(np.abs(deep - first).mean() / first.std())
            row["same_label"] = float((deep.argmax(1) == first.argmax(1)).mean())
            rows.append(row)
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
    table = pd.DataFrame(rows)
    means = table.groupby("arm", sort=False).mean().drop(columns="seed").round(4)
    spread = table.groupby("arm", sort=False)[["macro_f1", "tabnet_f1"]].std(ddof=1).round(4)
    means = means.join(spread.add_suffix("_sd"))
    text = "\n".join([
        f"{Path(options.data).stem}, {options.group} held out, {options.seeds} seeds. "
        "logits_moved: mean difference of the TabNet term's logits from the first arm's with the "
        "same seed, in their standard deviations; same_label: share of cells that this term labels "
        "alike.",
        "",
        "| arm | " + " | ".join(means.columns) + " |",
        "|---" * (means.shape[1] + 1) + "|",
        *(f"| {arm} | " + " | ".join(map(str, row)) + " |" for arm, row in zip(
            means.index, means.to_numpy(), strict=True)),
    ])  # fmt: skip
    print(text)
    stem = f"{time.strftime('%Y-%m-%d')}_backend_quality_{Path(options.data).stem}"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n{text}\n")


def logits(query: sc.AnnData, model: sct.Model) -> np.ndarray:
    """Return the TabNet term's logits (cells, labels)."""
    head = model.network.labels
    with torch.no_grad():
        parts = [
            head.deep(prediction.encoded.embedding)
            for _, prediction in model.predict(open_query(query, model, layer=None).minibatches())
        ]
    return torch.cat(parts).numpy()


if __name__ == "__main__":
    main()
