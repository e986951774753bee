"""Predict held-out perturbations by every baseline and by the head, and score them alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from sctabnet._value_kind import ValueKind
from sctabnet.data.open_sources import Source
from sctabnet.evaluate.perturbation_cells import PerturbationCells
from sctabnet.evaluate.perturbation_interactions import perturbation_interactions
from sctabnet.evaluate.perturbation_leak import perturbation_leak
from sctabnet.evaluate.perturbation_metrics import perturbation_metrics
from sctabnet.evaluate.perturbation_splits import PerturbationSplit, perturbation_splits
from sctabnet.heads.perturb import PerturbHead
from sctabnet.heads.perturb_rule import RULES, perturb_rule
from sctabnet.heads.perturb_table import PerturbTable
from sctabnet.model.model import Model
from sctabnet.train.perturbation_embeddings import perturbation_embeddings
from sctabnet.train.perturbation_sums import PerturbationSums
from sctabnet.train.perturbation_validation import perturbation_validation
from sctabnet.train.read_perturbations import read_perturbations

Array = NDArray[np.float64]
HEAD, CEILING = "sctabnet", "replicate"


@dataclass(frozen=True, slots=True)
class PerturbationScores:
    """Scores of held-out perturbations.

    Parameters
    ----------
    conditions
        One row per (split, condition, context, method) with every metric.
    summary
        One row per method, best first: means over conditions, ``explained`` (the share of the
        effect, 0 for no change and 1 for a perfect prediction, measurement noise taken off) and
        ``gap_closed`` (of what the best baseline leaves unexplained). The row ``replicate`` is one
        half of a condition's cells predicting the other half.
    versus_best
        The head against the best baseline by L2: its name, mean paired difference, 95 % bootstrap
        interval over conditions, share of conditions where the head is better.
    diagnostics
        ``spread`` of predictions over conditions relative to truth and mean ``correlation`` of
        predictions with each other, for head and truth (a head that has collapsed to the mean has
        0 and 1); ``coverage`` of the intervals; ``rank_correlation`` of stated uncertainty and
        error; ``no_better_than_mean``, share of predictions flagged so.
    """

    conditions: pd.DataFrame
    summary: pd.DataFrame
    versus_best: dict[str, Any]
    diagnostics: dict[str, float]


def perturbation(  # noqa: PLR0913 (the columns of a screen)
    source: Source,
    *,
    perturbation_key: str | Sequence[str] = "perturbation",
    control: str = "control",
    dose_key: str | None = None,
    context_keys: Sequence[str] = (),
    batch_key: str | Sequence[str] | None = None,
    split: str | Collection[str] = "leave_one_combination_out",
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    init: Model | None = None,
    embeddings: Mapping[str, Any] | None = None,
    cells: int = 0,
    n_repeats: int = 5,
    seed: int = 0,
) -> PerturbationScores:
    """Hold conditions out, predict them by every method, and score.

    Control cells are split in two: predictions start from one half and are judged against the
    other, since noise that both share would pass for skill. Every choice of the head is made anew
    within each training part.

    Parameters
    ----------
    source, perturbation_key, control, dose_key, context_keys, batch_key, layer, value_kind
        As in :func:`sctabnet.finetune`.
    split
        See :func:`~sctabnet.evaluate.perturbation_splits.perturbation_splits`.
    init, embeddings
        As in :func:`sctabnet.finetune`.
    cells
        Compare up to that many predicted with measured cells of each condition as distributions
        (:func:`~sctabnet.evaluate.perturbation_cell_metrics.perturbation_cell_metrics`); every
        method's cells are controls carried over to its mean.
    n_repeats, seed
        Repeats of the random split; seed of that and of the halves.

    Raises
    ------
    ValueError, KeyError
        If the data or the split cannot be used.

    Examples
    --------
    >>> import sctabnet as sct
    >>> screen, _ = sct.datasets.example_perturbation()
    >>> scores = sct.evaluate.perturbation(screen, split="leave_one_combination_out")
    >>> "additive" in scores.summary.index and "sctabnet" in scores.summary.index
    True
    """
    corpus, sums, _ = read_perturbations(
        source,
        perturbation_key=perturbation_key,
        control=control,
        dose_key=dose_key,
        context_keys=context_keys,
        batch_key=batch_key,
        layer=layer,
        value_kind=value_kind,
        seed=seed,
    )
    known = perturbation_embeddings(init, embeddings)
    learn, judge = sums.table(control_half=0, embeddings=known), sums.table(control_half=1)
    compare = PerturbationCells(corpus, sums, learn, n_cells=cells) if cells else None
    halves = [sums.table(control_half=h, half=h, min_cells=1, embeddings=known) for h in (0, 1)]
    rows, fits = [], []
    for one in perturbation_splits(learn, split, n_repeats=n_repeats, seed=seed):
        pairs = [
            [(learn.conditions[i], learn.context_names[learn.contexts[i]]) for i in part]
            for part in (one.train, one.test)
        ]
        perturbation_leak(*pairs)
        found, fit = _predict(learn, one, seed)
        fits.append(fit)
        interactions = perturbation_interactions(
            learn, halves, one, lambda table, part: _predict(table, part, seed)[0]
        )
        for method, delta in found.items():
            scores = _score(learn, judge, sums, one, method, delta)
            if method in interactions:
                scores["interaction_r"] = interactions[method]
            if compare is not None:
                scores = scores.join(pd.DataFrame(compare(one.test, delta)))
            rows.append(scores)
    rows.append(_replicate(sums, sorted({i for fit in fits for i in fit["test"]}), learn, judge))
    table = pd.concat(rows, ignore_index=True)
    summary = _summary(table)
    best = next(m for m in summary.index if m not in (HEAD, CEILING))
    return PerturbationScores(table, summary, _versus(table, best, seed), _diagnostics(learn, fits))


def _predict(
    table: PerturbTable, split: PerturbationSplit, seed: int
) -> tuple[dict[str, Array], dict[str, Any]]:
    train = table.take(split.train)
    head = PerturbHead(train, np.arange(len(train.gene_ids)), {})
    found = perturbation_validation(head.table, seed=seed)
    head.choices = found.choices
    head.gene_scale.copy_(torch.from_numpy(found.gene_scale))
    head.residual = found.residual
    wanted, at = [table.conditions[i] for i in split.test], table.contexts[split.test]
    predicted = {rule: perturb_rule(rule, train, wanted, at) for rule in RULES}
    own = head(wanted, at)
    predicted[HEAD] = own.delta_qg
    fit = {"test": split.test.tolist(), "prediction": own, "truth": table.delta_pg[split.test]}
    return predicted, fit


def _score(
    learn: PerturbTable,
    judge: PerturbTable,
    sums: PerturbationSums,
    split: PerturbationSplit,
    method: str,
    delta: Array,
) -> pd.DataFrame:
    test = split.test
    at = learn.contexts[test]
    start, other = learn.controls_cg[at], judge.controls_cg[at]
    # the measured mean, batch effects taken off as in training
    reference = learn.controls_cg[learn.contexts] + learn.delta_pg
    error, control_error = sums.errors(learn, control_half=1)
    genes = {gene: i for i, gene in enumerate(learn.gene_ids)}
    target = np.zeros((len(test), len(genes)), bool)
    for q, i in enumerate(test):
        target[q, [genes[e] for e in learn.conditions[i].entities if e in genes]] = True
    pieces = []
    for context in np.unique(at):
        mine = np.flatnonzero(at == context)
        pool = np.flatnonzero(learn.contexts == context)
        same = split.train[learn.contexts[split.train] == context]
        centroid = start[mine[0]] + learn.delta_pg[same if len(same) else split.train].mean(axis=0)
        scores = perturbation_metrics(
            start[mine] + delta[mine],
            reference[test[mine]],
            start_qg=start[mine],
            control_qg=other[mine],
            centroid_qg=np.repeat(centroid[None], len(mine), axis=0),
            error_qg=error[test[mine]],
            control_error_qg=np.repeat(control_error[context][None], len(mine), axis=0),
            reference_rg=reference[pool],
            own_r=np.searchsorted(pool, test[mine]),
            target_qg=target[mine],
        )
        names = [learn.conditions[i].name for i in test[mine]]
        about = {"split": split.name, "condition": names, "context": learn.context_names[context]}
        pieces.append(pd.DataFrame({"method": method, **about, **scores}))
    order = np.concatenate([np.flatnonzero(at == context) for context in np.unique(at)])
    return pd.concat(pieces, ignore_index=True).iloc[np.argsort(order)].reset_index(drop=True)


def _replicate(
    sums: PerturbationSums, rows: Sequence[int], learn: PerturbTable, judge: PerturbTable
) -> pd.DataFrame:
    """Score one half of the perturbed cells as a prediction of the other half."""
    first, second = (
        sums.table(control_half=0, half=0, min_cells=1),
        sums.table(control_half=0, half=1, min_cells=1),
    )
    place = [
        {(c, int(k)): i for i, (c, k) in enumerate(zip(t.conditions, t.contexts, strict=True))}
        for t in (first, second)
    ]
    keys = [(learn.conditions[i], int(learn.contexts[i])) for i in rows]
    kept = [i for i, key in zip(rows, keys, strict=True) if all(key in p for p in place)]
    test = np.array([place[1][learn.conditions[i], int(learn.contexts[i])] for i in kept])
    guess = np.array([place[0][learn.conditions[i], int(learn.contexts[i])] for i in kept])
    rest = np.setdiff1d(np.arange(len(second)), test)
    split = PerturbationSplit("halves", rest if len(rest) else np.arange(len(second)), test)
    return _score(second, judge, sums, split, CEILING, first.delta_pg[guess])


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    metrics = [c for c in table if c not in ("method", "split", "condition", "context")]
    summary = table.groupby("method")[metrics].mean()
    total = (
        table.assign(squared=table["l2"] ** 2)
        .groupby("method")[["squared", "noise", "effect"]]
        .sum()
    )
    left = (total["squared"] - total["noise"]) / (total["effect"] - total["noise"])
    summary.insert(0, "explained", 1 - left)
    base = summary.drop([HEAD, CEILING], errors="ignore")["explained"].max()
    summary.insert(1, "gap_closed", (summary["explained"] - base) / (1 - base))
    summary.loc[CEILING, ["explained", "gap_closed"]] = np.nan
    return summary.sort_values("l2").drop(columns=["noise", "effect"])


def _versus(table: pd.DataFrame, best: str, seed: int) -> dict[str, Any]:
    keys = ["split", "condition", "context"]
    wide = table[table["method"] != CEILING].pivot(index=keys, columns="method", values="l2")
    # a condition held out in several repeats counts once
    gain = (wide[HEAD] - wide[best]).groupby(level=[1, 2]).mean().to_numpy()
    rng = np.random.default_rng(seed)
    means = gain[rng.integers(len(gain), size=(2000, len(gain)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "best_baseline": best,
        "l2_difference": float(gain.mean()),
        "interval": [float(low), float(high)],
        "win_rate": float((gain < 0).mean()),
        "n_conditions": len(gain),
    }


def _diagnostics(table: PerturbTable, fits: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    delta = np.concatenate([fit["prediction"].delta_qg for fit in fits])
    truth = np.concatenate([fit["truth"] for fit in fits])
    width = np.concatenate([fit["prediction"].half_width_qg for fit in fits])
    stated = np.concatenate([fit["prediction"].uncertainty_q for fit in fits])
    better = np.concatenate([fit["prediction"].better_than_mean for fit in fits])
    error = np.linalg.norm(delta - truth, axis=1)
    out = {
        "spread": float(np.sqrt(delta.var(axis=0).sum() / max(truth.var(axis=0).sum(), 1e-12))),
        "correlation": _mean_correlation(delta),
        "correlation_of_truth": _mean_correlation(truth),
        "coverage": float((np.abs(delta - truth) <= width).mean()),
        "no_better_than_mean": float(1 - better.mean()),
    }
    ranks = [pd.Series(values).rank() for values in (stated, error)]
    out["rank_correlation"] = float(ranks[0].corr(ranks[1])) if len(error) > 2 else float("nan")
    return out


def _mean_correlation(rows: Array) -> float:
    kept = rows[rows.std(axis=1) > 1e-9]
    if len(kept) < 2:
        return float("nan")
    r = np.corrcoef(kept)
    return float(r[~np.eye(len(r), dtype=bool)].mean())
