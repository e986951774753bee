"""Label transfer, leaving one group out: sctabnet beside the baselines, on the same splits.

    python workflows/benchmarks/labels.py DATA.h5ad --labels-key cell_type --group-key technology
    python workflows/benchmarks/labels.py DATA.h5ad ... --condition missing-50    (or few-10)

Every arm is trained on all groups but one and judged on that one; ``missing-50`` takes half of the
genes from the query, ``few-10`` leaves the labels of ten cells per type in the reference: ours may
pretrain on the others, and scANVI; the other baselines have no use for them. Prints and writes one
row per (held-out group, arm, seed), then the means with a paired 95 % bootstrap interval over cells
and seeds against the best baseline. Baselines that are not installed are named and skipped.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scanpy as sc
from label_arms import ARMS
from sklearn.metrics import f1_score

import sctabnet as sct


def main() -> None:
    """Parse the arguments, run every arm on every split, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--labels-key", required=True)
    parser.add_argument("--group-key", required=True)
    parser.add_argument("--drop-below", type=int, default=10, help="drop labels with fewer cells")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--condition", default="", help="missing-PERCENT or few-CELLS")
    parser.add_argument("--arms", nargs="*", default=sorted(ARMS))
    parser.add_argument("--out", default="workflows/benchmarks/results")
    parser.add_argument("--name", default=None, help="stem of the files to write")
    options = parser.parse_args()
    sct.settings.progress_bar = False
    adata = sc.read_h5ad(options.data)
    labels = adata.obs[options.labels_key].astype(str)
    adata = adata[labels.map(labels.value_counts()) >= options.drop_below].copy()
    rows, correct = [], {}
    for group in sorted(adata.obs[options.group_key].astype(str).unique()):
        held_out = (adata.obs[options.group_key].astype(str) == group).to_numpy()
        for arm in options.arms:
            for seed in range(options.seeds if ARMS[arm][1] or options.condition else 1):
                reference, query = changed(
                    adata[~held_out].copy(), adata[held_out].copy(), options, seed
                )
                if not arm.startswith(("sctabnet", "scANVI")):  # no use for unlabelled cells
                    reference = reference[reference.obs[options.labels_key].notna()].copy()
                truth = query.obs.pop(options.labels_key).astype(str).to_numpy()
                started = time.perf_counter()
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        found = ARMS[arm][0](reference, query, options, seed)
                except ModuleNotFoundError as error:
                    print(f"{arm} is skipped: {error}")
                    break
                predicted = found["label"].astype(str).to_numpy()
                correct[group, arm, seed] = (truth, predicted)
                sets = list(found["label_set"]) if "label_set" in found else None
                score = sct.evaluate.labels(
                    truth, predicted, confidence=found["confidence"], label_sets=sets
                )
                row = {"held_out": group, "arm": arm, "seed": seed, **score}
                row["seconds"] = time.perf_counter() - started
                row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                rows.append(row)
                print(
                    f"{group:10} {arm:30} seed {seed}  macro-F1 {score['macro_f1']:.3f}  "
                    f"accuracy {score['accuracy']:.3f}  ECE {score['ece']:.3f}  "
                    f"coverage {score.get('set_coverage', float('nan')):.3f}  "
                    f"{row['seconds']:6.1f} s",
                    flush=True,
                )
    table = pd.DataFrame(rows)
    text = _summary(table, correct)
    print(text)
    condition = f"_{options.condition}" if options.condition else ""
    stem = f"{time.strftime('%Y-%m-%d')}_labels_{Path(options.data).stem}{condition}"
    stem = options.name or stem
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / f"{stem}.csv", index=False)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n{text}\n")


def changed(
    reference: anndata.AnnData, query: anndata.AnnData, options: argparse.Namespace, seed: int
) -> tuple[anndata.AnnData, anndata.AnnData]:
    """Return both under the condition that was asked for, drawn with the seed."""
    if not options.condition:
        return reference, query
    rng = np.random.default_rng(seed)
    kind, amount = options.condition.split("-")
    if kind == "missing":
        kept = rng.permutation(query.n_vars)[int(query.n_vars * int(amount) / 100) :]
        return reference, query[:, np.sort(kept)].copy()
    if kind != "few":
        raise SystemExit(f"condition must be missing-PERCENT or few-CELLS, got {kind}")
    labels = reference.obs[options.labels_key].astype(str).to_numpy()
    cells = [rng.permutation(np.flatnonzero(labels == x))[: int(amount)] for x in np.unique(labels)]
    named = np.zeros(reference.n_obs, bool)
    named[np.concatenate(cells)] = True
    reference.obs[options.labels_key] = pd.Series(labels, reference.obs_names).where(named)
    return reference, query


def _summary(table: pd.DataFrame, correct: dict) -> str:
    per_group = table.groupby(["arm", "held_out"])["macro_f1"].mean().unstack()
    columns = ["macro_f1", "rare_f1", "accuracy", "ece", "set_coverage", "set_size", "seconds"]
    means = table.reindex(columns=["arm", *columns]).groupby("arm").mean()
    lines = [
        "| arm | " + " | ".join(per_group.columns) + " | mean macro-F1 | rare F1 | accuracy | ECE "
        "| coverage at 90 % | labels per set | s |"
    ]
    lines.append("|---" * (len(per_group.columns) + 8) + "|")
    for arm, mean in means.sort_values("macro_f1", ascending=False).iterrows():
        scores = " | ".join(f"{value:.3f}" for value in per_group.loc[arm])
        lines.append(
            f"| {arm} | {scores} | {mean['macro_f1']:.3f} | {mean['rare_f1']:.3f} | "
            f"{mean['accuracy']:.3f} | {mean['ece']:.3f} | {mean['set_coverage']:.3f} | "
            f"{mean['set_size']:.2f} | {mean['seconds']:.0f} |"
        )
    for arm in ("sctabnet", "sctabnet, adapted (joint)"):
        # what has seen the query without its labels is a baseline only of what has seen it too
        baselines = [
            other for other in means.index
            if not other.startswith("sctabnet") and ("joint" in arm or "joint" not in other)
        ]  # fmt: skip
        if arm not in means.index or not baselines:
            continue
        lines += ["", f"Macro-F1 of {arm} less that of the best baseline, paired over cells:", ""]
        best = {group: per_group.loc[baselines, group].idxmax() for group in per_group.columns}
        best["mean"] = per_group.loc[baselines].mean(axis=1).idxmax()
        for name, other in best.items():
            groups = list(per_group.columns) if name == "mean" else [name]
            low, mid, high = _paired_interval(correct, groups, arm, other)
            lines.append(f"- {name}: {mid:+.3f} [{low:+.3f}, {high:+.3f}] against {other}")
    return "\n".join(lines)


def _paired_interval(
    correct: dict, groups: list[str], arm: str, other: str
) -> tuple[float, float, float]:
    """Return 2.5 %, mean and 97.5 % of the difference over resampled cells and seeds.

    Of several groups, the mean of their differences.
    """
    rng = np.random.default_rng(0)
    differences = np.zeros(300)
    for group in groups:
        ours, theirs = (
            [value for key, value in correct.items() if key[:2] == (group, name)]
            for name in (arm, other)
        )
        truth = ours[0][0]
        names = np.unique(truth)
        for i in range(len(differences)):
            cells = rng.integers(len(truth), size=len(truth))
            f1 = [
                f1_score(
                    truth[cells], runs[rng.integers(len(runs))][1][cells],
                    labels=names, average="macro", zero_division=0,
                )
                for runs in (ours, theirs)
            ]  # fmt: skip
            differences[i] += (f1[0] - f1[1]) / len(groups)
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(np.mean(differences)), float(high)


if __name__ == "__main__":
    main()
