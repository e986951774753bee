"""Train the residual network on left-out conditions, and keep it only where it helps new ones.

Legend of suffixes: r left-out rows, g genes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sctabnet.heads.perturb_choices import TASKS
from sctabnet.heads.perturb_gene_tokens import perturb_gene_tokens
from sctabnet.heads.perturb_residual import PerturbResidual
from sctabnet.heads.perturb_table import PerturbTable

Array = NDArray[np.float64]
_STEPS = (5, 20, 60)
_GATES = (0.5, 1.0)
_FOLDS = 4
_RATE = 2e-3
_MIN_ROWS = 12
_MAX_GENES = 400


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Predictions of conditions that were left out, and what was measured.

    Parameters
    ----------
    rows
        int64 (r,) rows of the table; one may occur in several tasks.
    task
        int64 (r,) position in :data:`~sctabnet.heads.perturb_choices.TASKS`.
    predicted_rg, truth_rg
        Closed form without the row, and measured effect.
    """

    rows: NDArray[np.int64]
    task: NDArray[np.int64]
    predicted_rg: Array
    truth_rg: Array


def perturbation_residual(
    table: PerturbTable, left: LeftOut, *, seed: int = 0
) -> tuple[PerturbResidual, dict[str, float], Array]:
    """Return the network, its gate for each task, and what it adds to left-out rows.

    The network learns what the closed form got wrong where it had not seen the condition. Whether
    that carries over is asked of conditions (for the task ``"context"``: contexts) that neither
    closed form nor network saw: a task's gate leaves 0 only if the mean L2 error falls there by
    more than two standard errors. Unseen entities keep the closed form, and so do screens with
    several doses, in which its response is monotone in the dose.

    Parameters
    ----------
    table
        Measured conditions.
    left
        Their left-out predictions.
    seed
        Seed of initial weights and folds.

    Returns
    -------
    The network, trained on all left-out rows if any gate is open, else at its start. Gates by
    task. float64 (r, g) additions, from networks that had not seen the row, times the gate.
    """
    gates = dict.fromkeys(TASKS, 0.0)
    added = np.zeros_like(left.truth_rg)
    doses = {dose for c in table.conditions for _, dose in c.parts}
    start = _start(table, seed)
    if len(doses) > 1:
        return start, gates, added
    best_steps = []
    for name in ("combination", "context"):  # an unseen entity has the mean: nothing to correct
        mine = np.flatnonzero(left.task == TASKS.index(name))
        if len(mine) < _MIN_ROWS:
            continue
        found = _cross_fit(table, left, mine, seed)
        if found is None:
            continue
        before = _l2(left.predicted_rg[mine] - left.truth_rg[mine])
        best = 0.0
        for steps, guess in found.items():
            for gate in _GATES:
                after = _l2(left.predicted_rg[mine] + gate * guess - left.truth_rg[mine])
                gain = before - after
                error = gain.std(ddof=1) / np.sqrt(len(gain))
                if gain.mean() > max(2 * error, best):
                    best, gates[name], chosen = gain.mean(), gate, steps
                    added[mine] = gate * guess
        if best:
            best_steps.append(chosen)
    if best_steps:
        everything = np.arange(len(left.rows))
        steps = int(np.median(best_steps))
        [start] = _train(table, left, everything, [steps], seed)
    return start.eval(), gates, added


def _cross_fit(
    table: PerturbTable, left: LeftOut, mine: NDArray[np.int64], seed: int
) -> dict[int, Array] | None:
    """Return what networks that saw neither a row's condition nor its context add to the row."""
    by_context = left.task[mine[0]] == TASKS.index("context")
    names = np.array([table.conditions[i].name for i in left.rows])
    where = table.contexts[left.rows]
    groups = np.unique((where if by_context else names)[mine])
    if len(groups) < _FOLDS - 1:
        return None
    shuffled = np.random.default_rng(seed).permutation(groups)
    out = {steps: np.zeros((len(mine), left.truth_rg.shape[1])) for steps in _STEPS}
    for held in np.array_split(shuffled, min(_FOLDS, len(groups))):
        hidden = np.isin(where if by_context else names, held)
        rest = np.flatnonzero(~hidden)
        at = np.flatnonzero(hidden[mine])
        if len(rest) < _MIN_ROWS // 2:
            return None
        for steps, network in zip(
            _STEPS, _train(table, left, rest, list(_STEPS), seed), strict=True
        ):
            asked = left.rows[mine[at]]
            with torch.no_grad():
                guess, _ = network(
                    _single(left.predicted_rg[mine[at]]),
                    _single(table.controls_cg[table.contexts[asked]]),
                    torch.from_numpy(left.task[mine[at]] - 1),
                )
            out[steps][at] = guess.double().numpy()
    return out


def _start(table: PerturbTable, seed: int) -> PerturbResidual:
    """Return an untrained network for the table's genes."""
    tokens = perturb_gene_tokens(table)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PerturbResidual(*tokens.shape)
    size = np.sqrt((table.delta_pg**2).mean(axis=0))
    network.tokens.copy_(torch.from_numpy(tokens))
    network.scale.copy_(torch.from_numpy(size + 0.1 * np.sqrt((size**2).mean()) + 1e-6))
    network.control.copy_(torch.from_numpy(table.controls_cg.mean(axis=0)))
    return network.eval()


def _train(
    table: PerturbTable,
    left: LeftOut,
    rows: NDArray[np.int64],
    checkpoints: list[int],
    seed: int,
) -> list[PerturbResidual]:
    """Return networks after each number of steps, from the table's seen rows alone."""
    seen = np.unique(left.rows[rows])
    # rows that were never left out can be looked at too, unless they are being held back
    never = np.setdiff1d(np.arange(len(table)), left.rows)
    network = _start(table.take(np.union1d(seen, never)), seed)
    rng = np.random.default_rng(seed)
    genes = np.sort(rng.permutation(left.truth_rg.shape[1])[:_MAX_GENES])
    base = _single(left.predicted_rg[rows][:, genes])
    truth = _single(left.truth_rg[rows][:, genes])
    control = _single(table.controls_cg[table.contexts[left.rows[rows]]][:, genes])
    task = torch.from_numpy(left.task[rows] - 1)
    picked = torch.from_numpy(genes)
    scale = network.scale[picked]
    error = ((truth - base) / scale).square().mean(1)
    weight = torch.stack([error[task == t].mean() for t in task]).reciprocal()
    weight = weight / weight.sum()
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-2)
    out = []
    network.train()
    for step in range(1, max(checkpoints) + 1):
        optimiser.zero_grad()
        added, _ = network(base, control, task, picked)
        loss = (weight * ((base + added - truth) / scale).square().mean(1)).sum()
        loss.backward()
        optimiser.step()
        if step in checkpoints:
            kept = PerturbResidual(*network.tokens.shape)
            kept.load_state_dict(network.state_dict())
            out.append(kept.eval())
    return out


def _single(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _l2(difference: Array) -> Array:
    return np.linalg.norm(difference, axis=1)
