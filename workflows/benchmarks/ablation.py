"""Every part of the encoder switched one at a time from the default, on cells and tables.

    python workflows/benchmarks/ablation.py --data pbmc_crosstech.h5ad
    python workflows/benchmarks/ablation.py --data pbmc_crosstech.h5ad --tasks cells --alone
    python workflows/benchmarks/ablation.py --data pbmc_crosstech.h5ad --reduced

Cells: each technology is held out in turn. Tables: breast_cancer and digits of scikit-learn, 5-fold
cross-validation. Every arm runs in a process of its own, so that its memory is its own, and all
arms of a seed before the next seed, so that a run cut short has compared like with like. What was
found is kept (``.jsonl``; remove it when the code changes), and the same command goes on from it.
Writes one row per (task, arm, split, seed), a table of means and a figure. Scores of the whole
model and of its TabNet term alone are both given, because the logistic regression beside it hides
what the encoder's parts do; with ``--alone`` there is no regression at all. ``--reduced`` takes
fewer cells, epochs, splits and seeds, and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from ablation_arms import CELLS, TABLES


def main() -> None:
    """Run every arm in a process of its own, and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="cells, for instance pbmc_crosstech.h5ad")
    parser.add_argument("--labels-key", default="cell_type")
    parser.add_argument("--group-key", default="technology")
    parser.add_argument("--groups", nargs="*", help="hold out only these, not each in turn")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--alone", action="store_true", help="no regression beside the TabNet")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after")
    parser.add_argument("--tasks", nargs="*", default=["cells", "breast_cancer", "digits"])
    parser.add_argument("--out", default="workflows/benchmarks/results")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        task, arm, seed = options.one
        run = run_cells if task == "cells" else run_table
        print(json.dumps(run(task, arm, int(seed), options)))
        return
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    kept = out / f"{_stem(options)}.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    given = {"data": Path(options.data).name, "groups": options.groups}
    if any({key: row[key] for key in given} != given for row in rows):
        raise SystemExit(f"{kept} holds other data or groups. Move it, or choose another --out.")
    done = {(row["task"], row["arm"], row["seed"]) for row in rows}
    started, skipped = time.perf_counter(), []
    todo = [
        (task, arm, seed)
        for seed in _seeds(options)
        for task in options.tasks
        for arm in (CELLS if task == "cells" else TABLES)
    ]
    for task, arm, seed in todo:
        if (task, arm, seed) in done:
            continue
        if time.perf_counter() - started > 60 * options.minutes:
            skipped.append(f"{task}: {arm}, seed {seed}")
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--one", task, arm, str(seed)]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(child.stdout.splitlines()[-1])
        found = [{"task": task, "arm": arm, "seed": seed, **given, **row} for row in found]
        with kept.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in found)
        rows += found
        means = pd.DataFrame(found)[["macro_f1", "tabnet_f1", "ece", "seconds"]].mean()
        print(f"{task:14} seed {seed} {arm:28} {means.round(3).to_dict()}", flush=True)
    table = pd.DataFrame(_with_stability(rows)).drop(columns=list(given))
    write(table, options, skipped)


def run_cells(_: str, arm: str, seed: int, options: argparse.Namespace) -> list[dict]:
    """Leave each technology out."""
    import scanpy as sc

    import sctabnet as sct
    from sctabnet.tl._open_query import open_query

    sct.settings.progress_bar = False
    warnings.simplefilter("ignore")
    adata = sc.read_h5ad(options.data)
    labels = adata.obs[options.labels_key].astype(str)
    adata = adata[labels.map(labels.value_counts()) >= 10].copy()
    config = dict(CELLS[arm])
    groups = options.groups or sorted(adata.obs[options.group_key].astype(str).unique())
    if options.reduced:
        kept = np.random.default_rng(0).permutation(adata.n_obs)[:1200]
        adata, groups = adata[np.sort(kept)].copy(), groups[:1]
        config |= {"max_epochs": 10, "minibatch_size": 64}
    rows = []
    for group in groups:
        held_out = (adata.obs[options.group_key].astype(str) == group).to_numpy()
        query = adata[held_out].copy()
        truth = query.obs.pop(options.labels_key).astype(str).to_numpy()
        started = time.process_time()
        model = sct.finetune(
            adata[~held_out].copy(), labels_key=options.labels_key,
            batch_key=options.group_key, seed=seed, wide=not options.alone, **config,
        )  # fmt: skip
        seconds = time.process_time() - started
        sct.tl.transfer_labels(query, model)
        sct.tl.gene_importance(query, model, method="mask")
        head = model.network.labels
        deep = [
            head.deep(prediction.encoded.embedding).argmax(1).cpu()
            for _, prediction in model.predict(open_query(query, model, layer=None).minibatches())
        ]
        alone = sct.evaluate.labels(truth, np.array(model.labels)[np.concatenate(deep)])
        score = sct.evaluate.labels(
            truth, query.obs["sctabnet_label"].astype(str).to_numpy(),
            confidence=query.obs["sctabnet_confidence"].to_numpy(),
        )  # fmt: skip
        importance = query.var["sctabnet_importance"].fillna(0).to_numpy()
        row = {"split": group, "macro_f1": score["macro_f1"]}
        row |= {"tabnet_f1": alone["macro_f1"], "ece": score["ece"], "seconds": seconds}
        row["gate"] = float(head.gate)
        rows.append(row | {"peak_mb": _peak(), "importance": importance.tolist()})
    return rows


def run_table(task: str, arm: str, seed: int, options: argparse.Namespace) -> list[dict]:
    """Cross-validate."""
    import torch
    from sklearn import datasets
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    from sctabnet.model.calibration_error import calibration_error
    from sctabnet.tabular import TabNetClassifier

    torch.set_num_threads(1)
    X, y = getattr(datasets, f"load_{task}")(return_X_y=True)
    n_folds = 2 if options.reduced else 5
    rows = []
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0).split(X, y)
    for fold, (train, test) in enumerate(folds):
        started = time.process_time()
        model = TabNetClassifier(random_state=seed, **TABLES[arm]).fit(X[train], y[train])
        seconds = time.process_time() - started
        probability = model.predict_proba(X[test])
        predicted = probability.argmax(1)
        score = f1_score(y[test], predicted, average="macro")
        ece = calibration_error(predicted == y[test], probability.max(1))
        row = {"split": str(fold), "macro_f1": score, "tabnet_f1": score}
        row |= {"ece": float(ece), "seconds": seconds, "peak_mb": _peak()}
        rows.append(row | {"importance": model.feature_importances_.tolist()})
    return rows


def write(table: pd.DataFrame, options: argparse.Namespace, skipped: list[str]) -> None:
    """Write rows, means beside the default's, and the figure."""
    import matplotlib.pyplot as plt

    out, stem = Path(options.out), f"{time.strftime('%Y-%m-%d')}_{_stem(options)}"
    table.to_csv(out / f"{stem}.csv", index=False, float_format="%.4f")
    lines = [f"# {stem}", "", _what(options), ""]
    tasks = list(dict.fromkeys(table["task"]))
    figure, axes = plt.subplots(1, len(tasks), figsize=(5.2 * len(tasks), 7), squeeze=False)
    for task, ax in zip(tasks, axes[0], strict=True):
        part = table[table["task"] == task]
        arms = list(dict.fromkeys(part["arm"]))
        means = part.drop(columns=["task", "split"]).groupby("arm").mean().loc[arms]
        whole, whole_error = _less_default(part, "macro_f1")
        term, term_error = _less_default(part, "tabnet_f1")
        lines += [
            f"## {task}", "",
            "| arm | seeds | macro-F1 | less default (standard error) | TabNet term alone "
            "| less default (standard error) | ECE | CPU s | MB | importance stability |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for arm, mean in means.iterrows():
            lines.append(
                f"| {arm} | {part.loc[part['arm'] == arm, 'seed'].nunique()} "
                f"| {mean['macro_f1']:.3f} | {whole[arm]:+.3f} ({whole_error[arm]:.3f}) "
                f"| {mean['tabnet_f1']:.3f} | {term[arm]:+.3f} ({term_error[arm]:.3f}) | "
                f"{mean['ece']:.3f} | "
                f"{mean['seconds']:.1f} | {mean['peak_mb']:.0f} | {mean['stability']:.2f} |"
            )
        for what, score in ("model", "macro_f1"), ("TabNet term", "tabnet_f1"):
            better, worse = _beyond_chance(part, score)
            lines += ["", f"{what}: better than the default {better}; worse {worse}."]
        lines += [
            "",
            "Paired two-sided t-test, p below .05 / arms, splits x seeds as independent.",
            "",
        ]
        ax.errorbar(term[arms], arms, xerr=2 * term_error[arms], fmt="o", color="black")
        ax.axvline(0, color="grey", linewidth=0.8)
        ax.invert_yaxis()
        ax.set(title=task, xlabel="macro-F1 of TabNet less default (2 s.e.)")
    if skipped:
        lines += [f"Not run, the time was over: {', '.join(skipped)}.", ""]
    (out / f"{stem}.md").write_text("\n".join(lines))
    figure.tight_layout()
    figure.savefig(out / f"{stem}.png", dpi=110)
    print("\n".join(lines))


def _stem(options: argparse.Namespace) -> str:
    return (
        f"ablation_{'_'.join(options.tasks)}"
        + "_alone" * options.alone
        + "_reduced" * options.reduced
    )


def _less_default(part: pd.DataFrame, score: str) -> tuple[pd.Series, pd.Series]:
    """Mean paired difference from the default over splits and seeds, and its standard error."""
    scores = part.pivot_table(index=["split", "seed"], columns="arm", values=score)
    difference = scores.sub(scores["default"], axis=0)
    return difference.mean(), difference.std(ddof=1) / np.sqrt(difference.count())


def _beyond_chance(part: pd.DataFrame, score: str) -> list[str]:
    """Name the arms that are better and those that are worse, beyond what many arms explain."""
    from scipy.stats import ttest_rel

    scores = part.pivot_table(index=["split", "seed"], columns="arm", values=score).dropna()
    others = scores.drop(columns="default")
    test = ttest_rel(others, scores[["default"]])
    clear = test.pvalue < 0.05 / max(1, others.shape[1])
    sides = (clear & (test.statistic > 0), clear & (test.statistic < 0))
    return [", ".join(others.columns[side]) or "none" for side in sides]


def _what(options: argparse.Namespace) -> str:
    if not options.reduced:
        text = (
            f"Seeds {options.seeds} (`seeds` counts those that were run); held out: "
            f"{options.groups or 'every technology'}; tables: 5-fold cross-validation."
        )
    else:
        text = (
            "REDUCED: cells are a random 1,200 of the file, 1 technology held out, 10 epochs of "
            f"minibatches of 64, seeds {_seeds(options)}; tables 2-fold. A run this small sees "
            "differences of several points of F1 only; it chooses no default."
        )
    if options.alone:
        text += " No regression beside the TabNet."
    return (
        f"{text} Importance stability: mean overlap of the most important genes (50) or columns "
        f"(5) between seeds. Load of the machine at the end: {os.getloadavg()[0]:.1f}."
    )


def _seeds(options: argparse.Namespace) -> list[int]:
    return options.seeds[:2] if options.reduced else options.seeds


def _with_stability(rows: list[dict]) -> list[dict]:
    """Put the overlap of the top genes or columns between seeds in place of the importances."""
    chosen: dict[tuple, list[set]] = {}
    for row in rows:
        top = 50 if row["task"] == "cells" else 5
        best = set(np.argsort(row.pop("importance"))[::-1][:top].tolist())
        chosen.setdefault((row["task"], row["arm"], row["split"]), []).append(best)
    for row in rows:
        same = chosen[row["task"], row["arm"], row["split"]]
        shares = [len(a & b) / len(a) for a, b in combinations(same, 2)]
        row["stability"] = float(np.mean(shares)) if shares else None
    return rows


def _peak() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
