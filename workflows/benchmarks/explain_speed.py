"""Explain cells, and see what it costs beside predicting them.

    python workflows/benchmarks/explain_speed.py
    python workflows/benchmarks/explain_speed.py --cells 8000 --rounds 3

Cells of 20,000 genes, about 1,450 of them expressed, read from a file in both cases. CPU seconds of
`tl.transfer_labels` and of `tl.gene_importance(method="contribution")`, taking turns, medians over
rounds: once with the TabNet term shut out, as calibration often leaves it, once let in by hand.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import anndata
import numpy as np
from annotate_speed import cells

import sctabnet as sct


def main() -> None:
    """Parse the arguments, measure, print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--trained-on", type=int, default=3_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--expressed", type=int, default=1450)
    parser.add_argument("--types", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default="workflows/benchmarks/results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sct.settings.progress_bar = False
    reference = cells(options, options.trained_on, seed=1)
    kinds = [f"t{i % options.types}" for i in range(reference.n_obs)]
    reference.obs["cell_type"] = np.array(kinds)
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(explaining(options, reference, Path(folder)))
    print(text)
    stem = f"{time.strftime('%Y-%m-%d')}_explain_speed"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n{text}\n")


def explaining(options: argparse.Namespace, reference: anndata.AnnData, folder: Path) -> list[str]:
    """Return a table of predicting and explaining."""
    cells(options, options.cells, seed=2).write_h5ad(folder / "query.h5ad")
    model = sct.finetune(reference, labels_key="cell_type", max_epochs=1)
    lines = [
        f"{options.cells:,} cells x {options.genes:,} genes, backed; {options.rounds} rounds.",
        "",
        "| TabNet term | predicting, CPU s | explaining, CPU s | ratio |",
        "|---|---|---|---|",
    ]
    for name, gate in (("shut out", 0.0), ("let in", 1.0)):
        model.network.labels.gate.data.fill_(gate)
        seconds = np.array(
            [_round(folder / "query.h5ad", model) for _ in range(options.rounds + 1)]
        )
        predict, explain = np.median(seconds[1:], axis=0)  # the first compiles
        ratio = np.median(seconds[1:, 1] / seconds[1:, 0])
        lines.append(f"| {name} | {predict:.2f} | {explain:.2f} | {ratio:.2f} |")
        print(lines[-1], flush=True)
    return lines


def _round(path: Path, model: sct.Model) -> tuple[float, float]:
    seconds = []
    for task in (
        lambda query: sct.tl.transfer_labels(query, model),
        lambda query: sct.tl.gene_importance(query, model, method="contribution"),
    ):
        query = anndata.read_h5ad(path, backed="r")
        started = time.process_time()
        task(query)
        seconds.append(time.process_time() - started)
        query.file.close()
    return seconds[0], seconds[1]


if __name__ == "__main__":
    main()
