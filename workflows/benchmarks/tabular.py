"""Tabular estimators beside pytorch-tabnet, linear models and boosted trees, on the same splits.

    python workflows/benchmarks/tabular.py --seeds 5

Five tables that need no download. Every arm gets the same 75 % of the rows and is judged on the
other 25 % (stratified for classes): accuracy, or R2 for the regression table. pytorch-tabnet gets
standardised columns, minibatches small enough for its `drop_last=True` to train at all, and a fifth
of its training rows for early stopping (its documented way to choose the number of epochs):
"pytorch-tabnet" with its own defaults otherwise, "pytorch-tabnet, our sizes" with the sizes,
learning rate, minibatch, epochs and training rows of ours, no stopping, and entmax masks, since it
has no softmax. It makes the same number of passes, so its seconds compare the implementations.

Prints and writes one table per data set and arm: mean score, its standard deviation over seeds, and
CPU seconds of one fit on one thread (not wall time, so that a busy machine counts less).
The defaults of the estimators were chosen on splits 0 to 2 of four of these tables, their softmax
masks on splits 0 to 9 of all five; the splits here start at 100.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sctabnet.tabular import TabNetClassifier, TabNetRegressor

FIRST_SPLIT = 100


def made() -> tuple[np.ndarray, np.ndarray]:
    """Three classes told apart by interactions of 8 of 30 columns."""
    return datasets.make_classification(
        1500, 30, n_informative=8, n_redundant=6, n_classes=3, random_state=7
    )


TABLES: dict[str, tuple[Callable[[], Any], bool]] = {
    "breast_cancer": (lambda: datasets.load_breast_cancer(return_X_y=True), False),
    "wine": (lambda: datasets.load_wine(return_X_y=True), False),
    "digits": (lambda: datasets.load_digits(return_X_y=True), False),
    "diabetes": (lambda: datasets.load_diabetes(return_X_y=True), True),
    "made": (made, False),
}


def ours(regression: bool, seed: int) -> Any:
    """Return sctabnet's estimator with its defaults."""
    return (TabNetRegressor if regression else TabNetClassifier)(random_state=seed, device="cpu")


def linear(regression: bool, _seed: int) -> Any:
    """Return ridge or logistic regression, penalty by cross-validation."""
    if regression:
        return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15)))
    model = LogisticRegressionCV(Cs=10, l1_ratios=(0,), max_iter=2000, use_legacy_attributes=False)
    return make_pipeline(StandardScaler(), model)


def boosting(regression: bool, seed: int) -> Any:
    """Return histogram gradient boosting with its defaults."""
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    return kind(random_state=seed)


class PytorchTabNet:
    """pytorch-tabnet 4.1 behind scikit-learn's fit and predict."""

    def __init__(self, regression: bool, seed: int, our_sizes: bool) -> None:
        from pytorch_tabnet.tab_model import TabNetClassifier as Classifier
        from pytorch_tabnet.tab_model import TabNetRegressor as Regressor

        self._regression, self._seed, self._our_sizes = regression, seed, our_sizes
        options: dict[str, Any] = {"seed": seed, "verbose": 0, "device_name": "cpu"}
        if our_sizes:
            options |= {
                "n_d": 16,
                "n_a": 16,
                "n_shared": 1,
                "n_independent": 1,
                "mask_type": "entmax",
                "momentum": 0.1,
                "optimizer_params": {"lr": 0.05},
            }
        self._model = (Regressor if regression else Classifier)(**options)

    def fit(self, X: np.ndarray, y: np.ndarray) -> PytorchTabNet:
        """Standardise the columns and fit."""
        self._scaler = StandardScaler().fit(X)
        X = self._scaler.transform(X)
        y = y[:, None] if self._regression else y
        if self._our_sizes:
            size = min(max(len(X) // 16, 128), 1024)
            self._model.fit(
                X, y, max_epochs=20, batch_size=size, virtual_batch_size=128, drop_last=False
            )
            return self
        X, X_stop, y, y_stop = train_test_split(
            X, y, test_size=0.2, random_state=self._seed, stratify=None if self._regression else y
        )
        self._model.fit(
            X, y, eval_set=[(X_stop, y_stop)], batch_size=64, virtual_batch_size=64, patience=20
        )
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return labels or values, (n,)."""
        return self._model.predict(self._scaler.transform(X)).reshape(len(X))


ARMS: dict[str, Callable[[bool, int], Any]] = {
    "sctabnet": ours,
    "pytorch-tabnet": lambda regression, seed: PytorchTabNet(regression, seed, False),
    "pytorch-tabnet, our sizes": lambda regression, seed: PytorchTabNet(regression, seed, True),
    "linear": linear,
    "boosted trees": boosting,
}


def score(y_true: np.ndarray, predicted: np.ndarray, regression: bool) -> float:
    """Return accuracy or R2."""
    if regression:
        return float(1 - ((y_true - predicted) ** 2).mean() / y_true.var())
    return float((y_true == predicted).mean())


def main() -> None:
    """Run every arm on every split; print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", nargs="*", default=list(TABLES))
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--out", type=Path, default=None, help="Markdown file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for arm in options.arms:  # first calls import and compile: not part of a fit
        ARMS[arm](False, 0).fit(*datasets.load_wine(return_X_y=True))
    rows = []
    for table in options.tables:
        load, regression = TABLES[table]
        X, y = load()
        for split in range(FIRST_SPLIT, FIRST_SPLIT + options.seeds):
            X_fit, X_test, y_fit, y_test = train_test_split(
                X, y, test_size=0.25, random_state=split, stratify=None if regression else y
            )
            for arm in options.arms:
                started = time.process_time()
                model = ARMS[arm](regression, split).fit(X_fit, y_fit)
                seconds = time.process_time() - started
                rows.append((table, arm, score(y_test, model.predict(X_test), regression), seconds))
    record = pd.DataFrame(rows, columns=["table", "arm", "score", "seconds"])
    text = report(record, options.seeds)
    print(text)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")


def report(record: pd.DataFrame, n_seeds: int) -> str:
    """Return the Markdown table, the best score of each row in bold, and what follows from it."""
    by = record.groupby(["table", "arm"], sort=False)
    mean, deviation = by["score"].mean().unstack(), by["score"].std().unstack()
    seconds = by["seconds"].mean().unstack()
    arms = list(dict.fromkeys(record["arm"]))
    lines = [
        "# Tabular estimators",
        "",
        f"{n_seeds} splits; mean (standard deviation) of accuracy, for diabetes of R2; CPU seconds "
        f"of one fit, one thread. Load of the machine at the end: {os.getloadavg()[0]:.1f}.",
        "",
        "| table | " + " | ".join(arms) + " |",
        "|---" * (len(arms) + 1) + "|",
    ]
    for table in mean.index:
        best = mean.loc[table].max()
        cells = []
        for arm in arms:
            value = f"{mean.loc[table, arm]:.3f} ({deviation.loc[table, arm]:.3f})"
            value = f"**{value}**" if mean.loc[table, arm] == best else value
            cells.append(f"{value} {seconds.loc[table, arm]:.2f} s")
        lines.append(f"| {table} | " + " | ".join(cells) + " |")
    if "sctabnet" in arms:
        lines.append("")
        for arm in arms[1:]:
            gap = (mean["sctabnet"] - mean[arm]).round(3)
            ratio = (seconds[arm] / seconds["sctabnet"]).round(2)
            lines.append(
                f"- sctabnet minus {arm}: "
                + ", ".join(f"{table} {gap[table]:+.3f}" for table in mean.index)
                + f"; {arm} takes "
                + ", ".join(f"{ratio[table]}x" for table in mean.index)
                + " as long."
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
