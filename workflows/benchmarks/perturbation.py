"""Predict held-out perturbations: the head beside every closed-form baseline, on the same splits.

    python workflows/benchmarks/perturbation.py DATA.h5ad --splits leave_one_combination_out
    python workflows/benchmarks/perturbation.py simulated --seeds 3

Prints and writes one table per split (means over conditions, best first), the head against the best
baseline with a paired 95 % bootstrap interval over conditions, and the diagnostics. ``simulated``
runs combinations and unseen contexts on simulated screens, one per seed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import pandas as pd

import sctabnet as sct
from sctabnet.evaluate.perturbation_splits import SPLITS

COLUMNS = [
    "explained", "gap_closed", "l2", "mae", "pearson_delta", "pearson_centroid", "weighted_r2",
    "norm_ratio", "pds_l1", "pds_l2", "pds_cosine", "centroid_accuracy", "direction", "de_overlap",
    "interaction_r", "energy_gain", "mmd2", "variance_ratio",
]  # fmt: skip


def main() -> None:
    """Parse the arguments, run every split, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="h5ad file, or 'simulated'")
    parser.add_argument("--perturbation-key", default="perturbation")
    parser.add_argument("--control", default="control")
    parser.add_argument("--dose-key")
    parser.add_argument("--context-keys", nargs="*", default=[])
    parser.add_argument("--batch-key")
    parser.add_argument("--layer")
    parser.add_argument("--init", help="folder of a pretrained model")
    parser.add_argument("--splits", nargs="*", default=list(SPLITS[:3]))
    parser.add_argument("--cells", type=int, default=0, help="also compare cells, so many each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", default="workflows/benchmarks/results")
    parser.add_argument("--name", help="stem of the files to write")
    options = parser.parse_args()
    stem = options.name or f"{time.strftime('%Y-%m-%d')}_perturbation_{Path(options.data).stem}"
    texts, tables = [f"# {stem}", ""], []
    for title, source, split, arguments in _runs(options):
        started = time.perf_counter()
        found = sct.evaluate.perturbation(source, split=split, **arguments)
        seconds = time.perf_counter() - started
        shown = found.summary[[c for c in COLUMNS if c in found.summary]]
        versus = found.versus_best
        low, high = versus["interval"]
        text = "\n".join(
            [
                f"## {title}, {split}",
                "",
                _markdown(shown),
                "",
                f"sctabnet against {versus['best_baseline']}: L2 {versus['l2_difference']:+.3f} "
                f"[{low:+.3f}, {high:+.3f}], better on {versus['win_rate']:.0%} of "
                f"{versus['n_conditions']} conditions; {seconds:.0f} s",
                "",
                "; ".join(f"{key} {value:.3f}" for key, value in found.diagnostics.items()),
                "",
            ]
        )
        print(text, flush=True)
        texts.append(text)
        tables.append(found.conditions.assign(data=title, asked=split))
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{stem}.md").write_text("\n".join(texts))
    pd.concat(tables).to_csv(out / f"{stem}.csv", index=False, float_format="%.5g")


def _runs(options: argparse.Namespace) -> list[tuple[str, Any, str, dict[str, Any]]]:
    if options.data != "simulated":
        arguments = {
            "perturbation_key": options.perturbation_key,
            "control": options.control,
            "dose_key": options.dose_key,
            "context_keys": options.context_keys,
            "batch_key": options.batch_key,
            "layer": options.layer,
            "cells": options.cells,
            "init": None if options.init is None else sct.Model.load(options.init),
        }
        title = Path(options.data).stem
        return [(title, options.data, split, arguments) for split in options.splits]
    runs: list[tuple[str, Any, str, dict[str, Any]]] = []
    for seed in range(options.seeds):
        screen = sct.datasets.simulate_perturbation(
            300, n_targets=20, n_pairs=40, cells_per_condition=50, random_state=seed
        )
        half = {"batch_key": "batch", "n_repeats": 2}
        runs.append((f"simulated {seed}", screen, "half_of_combinations", half))
        contexts = sct.datasets.simulate_perturbation(
            300, n_targets=12, n_pairs=8, n_contexts=5, cells_per_condition=50, random_state=seed
        )
        keys = {"batch_key": "batch", "context_keys": ["cell_type"]}
        runs.append((f"simulated contexts {seed}", contexts, "leave_one_context_out", keys))
    return runs


def _markdown(table: pd.DataFrame) -> str:
    rows = ["| method | " + " | ".join(table.columns) + " |", "|---" * (table.shape[1] + 1) + "|"]
    for name, values in table.iterrows():
        cells = ["" if pd.isna(value) else f"{value:.3f}" for value in values]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
