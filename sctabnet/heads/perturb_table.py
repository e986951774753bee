from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.conditions import Condition
from sctabnet.heads.perturb_link import perturb_link

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PerturbEmbedding:
    """Vectors of entities from one source, float64 (entities, d), rows of unit length."""

    names: tuple[str, ...]
    vectors: Array


@dataclass(frozen=True, slots=True)
class PerturbTable:
    """Mean effects of measured conditions: what every closed-form predictor is computed from.

    Legend of suffixes: p measured conditions (one row per condition and context), c contexts,
    g genes.

    Parameters
    ----------
    conditions, contexts
        Condition and context (row of ``controls``) of each row.
    delta_pg
        Mean log1p expression of the perturbed cells minus that of controls of the same context
        and, where there are any, of the same batch.
    error_p
        Mean over genes of the squared standard error of ``delta_pg``.
    controls_cg, detected_cg
        Mean of the control cells of each context, and share of them with a value above zero.
    context_names, gene_ids
        Names of contexts and genes.
    embeddings
        What else is known of entities.
    """

    conditions: tuple[Condition, ...]
    contexts: NDArray[np.int64]
    delta_pg: Array
    error_p: Array
    controls_cg: Array
    detected_cg: Array
    context_names: tuple[str, ...]
    gene_ids: tuple[str, ...]
    embeddings: tuple[PerturbEmbedding, ...] = ()

    def __len__(self) -> int:
        return len(self.conditions)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> PerturbTable:
        """Return the table with these rows; contexts and controls stay."""
        rows = np.asarray(rows, np.int64)
        return replace(
            self,
            conditions=tuple(self.conditions[i] for i in rows),
            contexts=self.contexts[rows],
            delta_pg=self.delta_pg[rows],
            error_p=self.error_p[rows],
        )

    @property
    def entities(self) -> tuple[str, ...]:
        """Names of all perturbed entities, ascending."""
        return tuple(sorted({e for c in self.conditions for e in c.entities}))

    def log_delta(self) -> Array:
        """Return (p, g) effects on the log scale, perturbed minus control."""
        control = self.controls_cg[self.contexts]
        return perturb_link(control + self.delta_pg) - perturb_link(control)
