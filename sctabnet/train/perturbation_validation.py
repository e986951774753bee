"""Choose baseline, gate, variances and intervals from conditions that are left out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sctabnet.heads.perturb_choices import SUPPORTS, TASKS, PerturbChoices
from sctabnet.heads.perturb_kernel import KernelShares, PerturbKernel
from sctabnet.heads.perturb_residual import PerturbResidual
from sctabnet.heads.perturb_rule import RULES, perturb_rule
from sctabnet.heads.perturb_table import PerturbTable
from sctabnet.train.perturbation_folds import PerturbationFold, perturbation_folds
from sctabnet.train.perturbation_residual import LeftOut, perturbation_residual

Array = NDArray[np.float64]
_GATES = (0.0, 0.5)
_ALTERNATIVES = {
    "noise": (0.1, 0.5),
    "shared": (0.02, 0.5, 2.0),
    "embedding": (0.3, 1.0, 3.0),
    "context": (0.1, 0.6),
    "identity": (0.5,),
}


@dataclass(slots=True)
class PerturbationValidation:
    """What inner validation found.

    Parameters
    ----------
    choices
        For the head.
    gene_scale
        (g,) scale of the residuals of each gene.
    errors
        Mean L2 error of left-out conditions, by task and then by predictor (``"mixed model"``
        beside the rules, ``"sctabnet"`` for what was chosen).
    residual
        Network that corrects the closed form, where ``choices.residual`` lets it.
    """

    choices: PerturbChoices
    gene_scale: Array
    errors: dict[str, dict[str, float]]
    residual: PerturbResidual


def perturbation_validation(
    table: PerturbTable, *, max_folds: int = 60, coverage: float = 0.9, seed: int = 0
) -> PerturbationValidation:
    """Leave measured conditions out in turn and choose.

    The baseline of each task is the rule with the lowest mean L2 error. The mixed model, whose
    default variances were set beforehand, takes its place unless the baseline, or the mean of the
    two, is better by more than two standard errors of the paired difference: with few conditions
    the winner of a close race is mostly chance. Its variances leave their defaults only for an
    improvement beyond two standard errors, as several are tried. The residual network, too, has to
    be better on conditions that it has not seen; see
    :func:`~sctabnet.train.perturbation_residual.perturbation_residual`. Tasks without folds of
    their own use those of the others.

    Parameters
    ----------
    table
        Measured conditions.
    max_folds
        Conditions left out for each task.
    coverage
        Coverage of the intervals.
    seed
        Seed of the draw of folds.
    """
    folds = perturbation_folds(table, max_folds=max_folds, seed=seed)
    if not folds:
        return _nothing_to_choose(table, coverage)
    truth = np.concatenate([table.delta_pg[f.scored] for f in folds])
    task = np.concatenate([np.full(len(f.scored), TASKS.index(f.task)) for f in folds])
    shares, mixed, kept, variance = _choose_shares(table, folds, truth)
    predicted = {rule: _left_out_rule(rule, table, folds) for rule in RULES}
    loss = {name: _l2(effects - truth) for name, effects in predicted.items()}
    keep = dict.fromkeys(TASKS, False)
    for name in TASKS:
        mine = task == TASKS.index(name)
        gain = (_l2(mixed - truth) - _l2(kept - truth))[mine]
        if len(gain) > 1 and gain.mean() > 2 * _standard_error(gain):
            keep[name] = True
            mixed[mine] = kept[mine]
    loss["mixed model"] = _l2(mixed - truth)
    errors, rule, gate, final = {}, {}, {}, mixed.copy()
    for name in TASKS:
        mine = task == TASKS.index(name)
        if not mine.any():
            mine = np.ones(len(task), bool)
        else:
            errors[name] = {key: float(value[mine].mean()) for key, value in loss.items()}
        rule[name] = min(RULES, key=lambda key: loss[key][mine].mean())
        base = predicted[rule[name]]
        gate[name] = _choose_gate(base[mine], mixed[mine], truth[mine])
        if name in errors:
            final[mine] = (base + gate[name] * (mixed - base))[mine]
    gate["seen"] = 1.0
    rows = np.concatenate([f.scored for f in folds])
    residual, opened, added = perturbation_residual(
        table, LeftOut(rows, task, final, truth), seed=seed
    )
    final = final + added
    for name in errors:
        errors[name]["sctabnet"] = float(_l2(final - truth)[task == TASKS.index(name)].mean())
    spread = np.sqrt(variance + table.error_p.mean())
    scaled = np.abs(final - truth) / spread[:, None]
    floor = float(np.sqrt((scaled**2).mean())) * 0.05 + 1e-9
    gene_scale = np.sqrt((scaled**2).mean(axis=0)) + floor
    ratio = scaled / gene_scale
    quantile = {}
    for name in TASKS:
        mine = task == TASKS.index(name)
        quantile[name] = _quantile(ratio[mine] if mine.sum() >= 10 else ratio, coverage)
    better = _better_than_mean(table, folds, _l2(final - truth), loss["mean"])
    choices = PerturbChoices(
        shares=asdict(shares),
        rule=rule,
        gate=gate,
        keep_total=keep,
        quantile=quantile,
        better_than_mean=better,
        coverage=coverage,
        residual=opened,
    )
    return PerturbationValidation(choices, gene_scale, errors, residual)


def _left_out_rule(rule: str, table: PerturbTable, folds: Sequence[PerturbationFold]) -> Array:
    out = []
    for fold in folds:
        rest = table.take(np.setdiff1d(np.arange(len(table)), fold.held))
        wanted = [table.conditions[i] for i in fold.scored]
        out.append(perturb_rule(rule, rest, wanted, table.contexts[fold.scored]))
    return np.concatenate(out)


def _left_out_kernel(
    kernel: PerturbKernel,
    folds: Sequence[PerturbationFold],
    rest: Sequence[tuple[Array, Array]],
    *,
    keep_total: bool = False,
) -> tuple[Array, Array]:
    effects, variances = [], []
    for fold, known in zip(folds, rest, strict=True):
        at = np.searchsorted(fold.held, fold.scored)
        effects.append(kernel.left_out(fold.held, known, keep_total=keep_total)[at])
        variances.append(kernel.left_out_variance(fold.held)[at])
    return np.concatenate(effects), np.concatenate(variances)


def _choose_shares(
    table: PerturbTable, folds: Sequence[PerturbationFold], truth: Array
) -> tuple[KernelShares, Array, Array, Array]:
    """Return the variances, one after the other, and predictions without and with totals kept."""
    best = KernelShares()
    rest = [
        PerturbKernel.factors(table.take(np.setdiff1d(np.arange(len(table)), fold.held)))
        for fold in folds
    ]
    effects, variance = _left_out_kernel(PerturbKernel(table, best), folds, rest)
    several = len(np.unique(table.contexts)) > 1
    for name, values in _ALTERNATIVES.items():
        if (name == "embedding" and not table.embeddings) or (
            name in ("context", "identity") and not several
        ):
            continue
        start, before = best, _l2(effects - truth)
        for value in values:
            shares = replace(start, **{name: value})
            tried, its_variance = _left_out_kernel(PerturbKernel(table, shares), folds, rest)
            gain = before - _l2(tried - truth)
            if gain.mean() > 2 * _standard_error(gain) and (
                _l2(tried - truth).mean() < _l2(effects - truth).mean()
            ):
                best, effects, variance = shares, tried, its_variance
    kept, _ = _left_out_kernel(PerturbKernel(table, best), folds, rest, keep_total=True)
    return best, effects, kept, variance


def _choose_gate(base: Array, mixed: Array, truth: Array) -> float:
    """Return 1 for the mixed model, or what is better by more than two standard errors."""
    before = _l2(mixed - truth)
    gate, lowest = 1.0, before.mean()
    for tried in _GATES:
        loss = _l2(base + tried * (mixed - base) - truth)
        gain = before - loss
        if gain.mean() > 2 * _standard_error(gain) and loss.mean() < lowest:
            gate, lowest = tried, loss.mean()
    return gate


def _better_than_mean(
    table: PerturbTable, folds: Sequence[PerturbationFold], mine: Array, mean: Array
) -> dict[str, bool]:
    """Return, for each support, whether left-out conditions beat the mean effect."""
    supports = []
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(table)), fold.held)
        known = {e for i in rest for e in table.conditions[i].entities}
        names = {name for source in table.embeddings for name in source.names}
        for i in fold.scored:
            entities = set(table.conditions[i].entities)
            if entities & known:
                supports.append(SUPPORTS[1])
            else:
                supports.append(SUPPORTS[2] if entities & names else SUPPORTS[3])
    found = {SUPPORTS[0]: True, SUPPORTS[3]: False}
    for support in SUPPORTS[1:3]:
        rows = np.array([s == support for s in supports])
        gain = (mean - mine)[rows]
        found[support] = bool(rows.any() and gain.mean() > 0)
    return found


def _nothing_to_choose(table: PerturbTable, coverage: float) -> PerturbationValidation:
    """One condition alone: there is nothing to leave out, so the mean effect is all there is."""
    choices = PerturbChoices(
        shares=asdict(KernelShares()),
        rule=dict.fromkeys(TASKS, "mean"),
        gate=dict.fromkeys(TASKS, 0.0) | {"seen": 1.0, "context": 1.0},
        keep_total=dict.fromkeys(TASKS, False),
        quantile=dict.fromkeys(TASKS, 1.645),
        better_than_mean=dict.fromkeys(SUPPORTS, False) | {"seen": True},
        coverage=coverage,
    )
    nothing = LeftOut(np.zeros(0, np.int64), np.zeros(0, np.int64), *[np.zeros((0, 1))] * 2)
    residual, _, _ = perturbation_residual(table, nothing)
    return PerturbationValidation(choices, np.ones(len(table.gene_ids)), {}, residual)


def _quantile(values: Array, coverage: float) -> float:
    """Return the finite-sample quantile (split conformal; Lei et al. 2018, JASA 113:1094)."""
    flat = np.sort(values.ravel())
    rank = int(np.ceil(coverage * (len(flat) + 1))) - 1
    return float(flat[min(rank, len(flat) - 1)])


def _l2(difference: Array) -> Array:
    return np.linalg.norm(difference, axis=1)


def _standard_error(values: Array) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
