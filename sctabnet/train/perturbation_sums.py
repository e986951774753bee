"""Sums over the cells of every condition: all that the closed-form predictors need."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from sctabnet._errors import InputError
from sctabnet.data.conditions import Condition
from sctabnet.data.corpus import Corpus
from sctabnet.heads.perturb_table import PerturbEmbedding, PerturbTable
from sctabnet.nn.normalise import normalise

Array = NDArray[np.float64]
_MIN_BATCH_CONTROLS = 5


@dataclass(slots=True)
class PerturbationSums:
    """Sums of log1p expression by (condition, context, batch, half), one pass over the cells.

    Parameters
    ----------
    conditions, context_names, gene_ids
        What the codes of groups and columns mean.
    groups
        int64 (n groups, 4): condition, context, batch, half. Halves split the cells of each group
        at random; they give independent controls and the ceiling.
    n
        (n groups,) cells.
    cell_groups
        int64 (n_cells,), group of each cell.
    total, square, positive
        (n groups, g) sums of values, of their squares, and cells with a value above zero.
    """

    conditions: tuple[Condition, ...]
    context_names: tuple[str, ...]
    gene_ids: tuple[str, ...]
    groups: NDArray[np.int64]
    n: Array
    cell_groups: NDArray[np.int64]
    total: Array
    square: Array
    positive: Array

    @classmethod
    def of(
        cls,
        corpus: Corpus,
        conditions: Sequence[Condition],
        contexts: Sequence[str],
        batches: Sequence[str],
        *,
        seed: int = 0,
    ) -> PerturbationSums:
        """Read all cells once.

        Parameters
        ----------
        corpus
            Cells, log1p values as they are, or counts, which become log1p of counts per 10,000.
        conditions, contexts, batches
            (n_cells,) of each cell.
        seed
            Seed of the halves.

        Raises
        ------
        ValueError
            If there is no control cell, in a context or at all, or nothing but controls.
        """
        unique = tuple(sorted(set(conditions)))
        place = {condition: i for i, condition in enumerate(unique)}
        names, context_n = np.unique(np.asarray(contexts, str), return_inverse=True)
        _, batch_n = np.unique(np.asarray(batches, str), return_inverse=True)
        condition_n = np.array([place[condition] for condition in conditions])
        keys = np.stack([condition_n, context_n, batch_n], 1)
        _, cell_n = np.unique(keys, axis=0, return_inverse=True)
        keys = np.column_stack([keys, _halves(cell_n.ravel(), seed)])
        groups, group_n = np.unique(keys, axis=0, return_inverse=True)
        _check(unique, tuple(names), groups)
        genes = np.flatnonzero(corpus.measured.any(axis=0))
        sums = np.zeros((3, len(groups), len(genes)))
        for minibatch in corpus.minibatches(minibatch_size=4096):
            x = minibatch.values if bool(minibatch.is_log1p.all()) else normalise(minibatch)
            at, rows = np.unique(group_n.ravel()[minibatch.row_ids], return_inverse=True)
            n = len(rows)
            pick = sp.csr_array((np.ones(n), (rows, np.arange(n))), shape=(len(at), n))
            values = x.to(torch.float64).numpy()
            for i, entries in enumerate((values, values**2, np.ones_like(values))):
                cells = sp.csr_array(
                    (entries, minibatch.indices.numpy(), minibatch.offsets.numpy()),
                    shape=(n, len(corpus.vocabulary)),
                )
                sums[i, at] += (pick @ cells).toarray()[:, genes]
        ids = tuple(corpus.vocabulary.ids[i] for i in genes)
        count = np.bincount(group_n.ravel(), minlength=len(groups)).astype(float)
        return cls(unique, tuple(str(c) for c in names), ids, groups, count, group_n.ravel(), *sums)

    def table(
        self,
        *,
        control_half: int | None = None,
        half: int | None = None,
        embeddings: Sequence[PerturbEmbedding] = (),
        min_cells: int = 2,
    ) -> PerturbTable:
        """Return mean effects against controls of the same context and batch.

        Parameters
        ----------
        control_half, half
            Use one half of the control cells, or of the perturbed cells, only.
        embeddings
            What else is known of entities.
        min_cells
            Conditions with fewer cells are left out, with a warning.
        """
        nothing = next(i for i, c in enumerate(self.conditions) if c.is_control)
        is_control = self.groups[:, 0] == nothing
        keep = np.ones(len(self.groups), bool)
        if control_half is not None:
            keep &= ~is_control | (self.groups[:, 3] == control_half)
        if half is not None:
            keep &= is_control | (self.groups[:, 3] == half)
        n_contexts = len(self.context_names)
        rows_c = [
            np.flatnonzero(keep & is_control & (self.groups[:, 1] == c)) for c in range(n_contexts)
        ]
        controls = np.array([self._mean(rows) for rows in rows_c])
        detected = np.array([self.positive[r].sum(0) / max(1, self.n[r].sum()) for r in rows_c])
        conditions, contexts, deltas, errors, few = [], [], [], [], []
        perturbed = keep & ~is_control
        for code, context in np.unique(self.groups[perturbed][:, :2], axis=0):
            mine = perturbed & (self.groups[:, 0] == code) & (self.groups[:, 1] == context)
            rows = np.flatnonzero(mine)
            n = self.n[rows].sum()
            if n < min_cells:
                few.append(self.conditions[code].name)
                continue
            delta = np.zeros(controls.shape[1])
            for batch in np.unique(self.groups[rows, 2]):
                own = rows[self.groups[rows, 2] == batch]
                match = rows_c[context][self.groups[rows_c[context], 2] == batch]
                enough = self.n[match].sum() >= _MIN_BATCH_CONTROLS
                base = self._mean(match) if enough else controls[context]
                delta += self.n[own].sum() / n * (self._mean(own) - base)
            conditions.append(self.conditions[code])
            contexts.append(context)
            deltas.append(delta)
            errors.append(float(self._error(rows).mean()))
        if few:
            warnings.warn(
                f"{len(few)} conditions have fewer than {min_cells} cells and are left out: "
                f"{sorted(set(few))[:5]}.",
                UserWarning,
                stacklevel=4,
            )
        return PerturbTable(
            tuple(conditions),
            np.array(contexts, np.int64),
            np.array(deltas).reshape(len(conditions), -1),
            np.array(errors),
            controls,
            detected,
            self.context_names,
            self.gene_ids,
            tuple(embeddings),
        )

    def errors(
        self, table: PerturbTable, *, control_half: int | None = None
    ) -> tuple[Array, Array]:
        """Return squared standard errors per gene of a table's rows (p, g) and controls (c, g)."""
        nothing = next(i for i, c in enumerate(self.conditions) if c.is_control)
        place = {condition: i for i, condition in enumerate(self.conditions)}
        code, context, half = self.groups[:, 0], self.groups[:, 1], self.groups[:, 3]
        rows = [
            np.flatnonzero((code == place[c]) & (context == k))
            for c, k in zip(table.conditions, table.contexts, strict=True)
        ]
        usable = (half == control_half) if control_half is not None else np.ones(len(half), bool)
        controls = [
            np.flatnonzero((code == nothing) & (context == k) & usable)
            for k in range(len(self.context_names))
        ]
        return np.array([self._error(r) for r in rows]), np.array(
            [self._error(r) for r in controls]
        )

    def _error(self, rows: NDArray[np.int64]) -> Array:
        n = max(float(self.n[rows].sum()), 1.0)
        variance = np.maximum(self.square[rows].sum(0) / n - self._mean(rows) ** 2, 0)
        return variance / max(n - 1, 1.0)

    def _mean(self, rows: NDArray[np.int64]) -> Array:
        return self.total[rows].sum(axis=0) / max(1.0, float(self.n[rows].sum()))


def _halves(group_n: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return 0 or 1 per cell, at random but evenly within each group."""
    order = np.random.default_rng(seed).permutation(len(group_n))
    order = order[np.argsort(group_n[order], kind="stable")]
    half = np.zeros(len(group_n), np.int64)
    starts = np.searchsorted(group_n[order], group_n[order])
    half[order] = (np.arange(len(group_n)) - starts) % 2
    return half


def _check(
    conditions: tuple[Condition, ...], contexts: tuple[str, ...], groups: NDArray[np.int64]
) -> None:
    nothing = [i for i, c in enumerate(conditions) if c.is_control]
    found = [c.name for c in conditions[:6]]
    if not nothing:
        raise InputError(
            f"No control cells were found. Found the conditions {found}. Pass control=... with "
            "the name of the unperturbed cells."
        )
    if len(conditions) == 1:
        raise InputError(
            "All cells are controls. Found no other condition. Pass perturbation_key=... with the "
            "column that names what was done to each cell."
        )
    has = {int(c) for c in groups[groups[:, 0] == nothing[0], 1]}
    lacking = [name for c, name in enumerate(contexts) if c not in has]
    if lacking:
        raise InputError(
            f"Every context needs control cells to compare with. Found none in {lacking[:5]}. "
            "Remove these cells, or leave the column out of context_keys."
        )
