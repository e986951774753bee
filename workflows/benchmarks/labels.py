"""Label transfer, leaving one group out: sctabnet beside the baselines, on the same splits.

    python workflows/benchmarks/labels.py DATA.h5ad --labels-key cell_type --group-key technology

Every arm is trained on all groups but one and judged on that one. Prints and writes one row per
(held-out group, arm, seed), then the means with a paired 95 % bootstrap interval over cells
against the best baseline. Baselines that are not installed are named and skipped.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier

import sctabnet as sct
from sctabnet.evaluate.calibration_error import calibration_error
from sctabnet.train.split_cells import split_cells

Answer = tuple[np.ndarray, np.ndarray]  # labels, confidences


def main() -> None:
    """Parse the arguments, run every arm on every split, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--labels-key", required=True)
    parser.add_argument("--group-key", required=True)
    parser.add_argument("--drop-below", type=int, default=10, help="drop labels with fewer cells")
    parser.add_argument("--seeds", type=int, default=3)
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
        reference, query = adata[~held_out].copy(), adata[held_out].copy()
        truth = query.obs[options.labels_key].astype(str).to_numpy()
        del query.obs[options.labels_key]
        for arm in options.arms:
            for seed in range(options.seeds if ARMS[arm][1] else 1):
                started = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = ARMS[arm][0](reference, query, options, seed)
                predicted, confidence = found
                correct[group, arm, seed] = (truth, predicted)
                score = sct.evaluate.labels(truth, predicted)
                ece = calibration_error(predicted == truth, confidence)
                row = {"held_out": group, "arm": arm, "seed": seed, **score, "ece": ece}
                row["seconds"] = time.perf_counter() - started
                rows.append(row)
                print(
                    f"{group:10} {arm:24} seed {seed}  macro-F1 {score['macro_f1']:.3f}  "
                    f"accuracy {score['accuracy']:.3f}  ECE {ece:.3f}  {row['seconds']:6.1f} s",
                    flush=True,
                )
    table = pd.DataFrame(rows)
    text = _summary(table, correct)
    print(text)
    stem = options.name or f"{time.strftime('%Y-%m-%d')}_labels_{Path(options.data).stem}"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / f"{stem}.csv", index=False)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n{text}\n")


def _summary(table: pd.DataFrame, correct: dict) -> str:
    per_group = table.groupby(["arm", "held_out"])["macro_f1"].mean().unstack()
    means = table.groupby("arm")[["macro_f1", "accuracy", "ece", "seconds"]].mean()
    lines = ["| arm | " + " | ".join(per_group.columns) + " | mean macro-F1 | accuracy | ECE | s |"]
    lines.append("|---" * (len(per_group.columns) + 5) + "|")
    for arm, mean in means.sort_values("macro_f1", ascending=False).iterrows():
        scores = " | ".join(f"{value:.3f}" for value in per_group.loc[arm])
        lines.append(
            f"| {arm} | {scores} | {mean['macro_f1']:.3f} | {mean['accuracy']:.3f} | "
            f"{mean['ece']:.3f} | {mean['seconds']:.0f} |"
        )
    baselines = [arm for arm in means.index if not arm.startswith("sctabnet")]
    if "sctabnet" in means.index and baselines:
        lines += ["", "Macro-F1 of sctabnet less that of the best baseline, paired over cells:", ""]
        for group in per_group.columns:
            best = per_group.loc[baselines, group].idxmax()
            low, mid, high = _paired_interval(correct, group, best)
            lines.append(f"- {group}: {mid:+.3f} [{low:+.3f}, {high:+.3f}] against {best}")
    return "\n".join(lines)


def _paired_interval(correct: dict, group: str, best: str) -> tuple[float, float, float]:
    """Return 2.5 %, mean and 97.5 % of the difference over resampled cells and seeds."""
    rng = np.random.default_rng(0)
    ours = [value for key, value in correct.items() if key[:2] == (group, "sctabnet")]
    theirs = [value for key, value in correct.items() if key[:2] == (group, best)]
    truth = ours[0][0]
    names = np.unique(truth)
    differences = []
    for _ in range(300):
        cells = rng.integers(len(truth), size=len(truth))
        a = ours[rng.integers(len(ours))][1][cells]
        b = theirs[rng.integers(len(theirs))][1][cells]
        f1 = [
            f1_score(truth[cells], x, labels=names, average="macro", zero_division=0)
            for x in (a, b)
        ]
        differences.append(f1[0] - f1[1])
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(np.mean(differences)), float(high)


def _log1p(adata: anndata.AnnData) -> anndata.AnnData:
    plain = anndata.AnnData(adata.X.astype(np.float32), obs=adata.obs, var=adata.var)
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    return plain


def _folds(reference: anndata.AnnData, options: argparse.Namespace) -> list:
    labels = reference.obs[options.labels_key].astype("category").cat.codes.to_numpy(np.int64)
    groups = reference.obs[options.group_key].astype("category").cat.codes.to_numpy(np.int64)
    tests = split_cells(labels, groups, n_folds=3)
    return [(np.setdiff1d(np.arange(len(labels)), test), test) for test in tests]


def majority(reference, query, options, seed) -> Answer:
    counts = reference.obs[options.labels_key].astype(str).value_counts(normalize=True)
    return np.full(query.n_obs, counts.index[0]), np.full(query.n_obs, counts.iloc[0])


def logistic_regression(reference, query, options, seed) -> Answer:
    model = LogisticRegressionCV(
        Cs=[0.01, 0.03, 0.1, 0.3, 1.0], cv=_folds(reference, options), scoring="neg_log_loss",
        max_iter=300, tol=1e-3,
    )  # fmt: skip
    model.fit(_log1p(reference).X, reference.obs[options.labels_key].astype(str))
    probability = model.predict_proba(_log1p(query).X)
    return model.classes_[probability.argmax(1)], probability.max(1)


def nearest_neighbours(reference, query, options, seed) -> Answer:
    both = anndata.concat([_log1p(reference), _log1p(query)], join="inner")
    sc.pp.pca(both, n_comps=50, random_state=seed)
    space = both.obsm["X_pca"]
    model = KNeighborsClassifier(15, weights="distance")
    model.fit(space[: reference.n_obs], reference.obs[options.labels_key].astype(str))
    probability = model.predict_proba(space[reference.n_obs :])
    return model.classes_[probability.argmax(1)], probability.max(1)


def xgboost(reference, query, options, seed) -> Answer:
    from xgboost import XGBClassifier

    codes = reference.obs[options.labels_key].astype("category").cat
    model = XGBClassifier(n_estimators=200, max_depth=4, tree_method="hist", random_state=seed)
    model.fit(_log1p(reference).X, codes.codes)
    probability = model.predict_proba(_log1p(query).X)
    return np.asarray(codes.categories.astype(str))[probability.argmax(1)], probability.max(1)


def celltypist(reference, query, options, seed) -> Answer:
    from celltypist import annotate, train

    model = train(_log1p(reference), labels=options.labels_key, check_expression=False, n_jobs=2)
    found = annotate(_log1p(query), model=model).probability_matrix
    return found.columns.to_numpy()[found.to_numpy().argmax(1)], found.to_numpy().max(1)


def _ours(pretrained: bool = True, **config: object) -> Callable[..., Answer]:
    def run(reference, query, options, seed) -> Answer:
        batch = {"batch_key": options.group_key}
        init = sct.pretrain(reference, seed=seed, **batch) if pretrained else None
        model = sct.finetune(
            reference, init=init, labels_key=options.labels_key, seed=seed, **batch, **config
        )
        print("   ", {k: v for k, v in model.history[-1].items() if k != "data"})
        sct.tl.transfer_labels(query, model, overwrite=True)
        found = sct.get.labels_df(query)
        return found["label"].astype(str).to_numpy(), found["confidence"].to_numpy()

    return run


# arm: (function, whether it depends on the seed)
ARMS: dict[str, tuple[Callable[..., Answer], bool]] = {
    "majority": (majority, False),
    "logistic regression": (logistic_regression, False),
    "kNN": (nearest_neighbours, False),
    "XGBoost": (xgboost, True),
    "CellTypist": (celltypist, False),
    "sctabnet": (_ours(), True),
    "sctabnet, no pretraining": (_ours(pretrained=False), True),
    "sctabnet, no wide path": (_ours(wide=False), True),
    "sctabnet, wide path only": (_ours(pretrained=False, deep=False), False),
}


if __name__ == "__main__":
    main()
