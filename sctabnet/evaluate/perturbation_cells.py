from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sctabnet.data.corpus import Corpus
from sctabnet.evaluate.perturbation_cell_metrics import perturbation_cell_metrics
from sctabnet.heads.perturb_cells import perturb_cells
from sctabnet.heads.perturb_table import PerturbTable
from sctabnet.nn.normalise import normalise
from sctabnet.train.perturbation_sums import PerturbationSums

Array = NDArray[np.float64]


class PerturbationCells:
    """Compares predicted with measured cells; predictions start from one half of the controls.

    Parameters
    ----------
    corpus, sums
        Cells, and their groups.
    table
        Effects against the first half of the controls, on whose rows it is called.
    n_cells
        Cells of each kind that are compared.
    """

    def __init__(
        self, corpus: Corpus, sums: PerturbationSums, table: PerturbTable, *, n_cells: int
    ) -> None:
        self._corpus, self._sums, self._table, self._n = corpus, sums, table, n_cells
        self._genes = corpus.vocabulary.index(np.array(table.gene_ids, dtype=object))
        self._read: dict[tuple[int, int, int], Array] = {}

    def __call__(self, test: NDArray[np.int64], delta_qg: Array) -> list[dict[str, float]]:
        """Return the scores of each row's predicted effect."""
        table, sums = self._table, self._sums
        nothing = next(i for i, c in enumerate(sums.conditions) if c.is_control)
        scores = []
        for q, row in enumerate(test):
            context = int(table.contexts[row])
            start, other = (self._cells(nothing, context, half) for half in (0, 1))
            real = self._cells(sums.conditions.index(table.conditions[row]), context, -1)
            control = np.maximum(table.controls_cg[context], 0.0)
            moved = perturb_cells(
                start.astype(np.float32),
                [f"cell{i}" for i in range(len(start))],
                np.arange(len(self._genes)),
                control,
                table.detected_cg[context],
                np.maximum(delta_qg[q], -control),
            )
            scores.append(perturbation_cell_metrics(moved.astype(np.float64), real, other))
        return scores

    def _cells(self, condition: int, context: int, half: int) -> Array:
        """Return the first cells of a condition (of one half, or both if -1), dense."""
        key = (condition, context, half)
        if key not in self._read:
            groups = self._sums.groups
            mine = (groups[:, 0] == condition) & (groups[:, 1] == context)
            mine &= (groups[:, 3] == half) | (half < 0)
            rows = np.flatnonzero(mine[self._sums.cell_groups])[: self._n]
            minibatch = self._corpus.take(rows)
            logged = bool(minibatch.is_log1p.all())
            x = (minibatch.values if logged else normalise(minibatch)).numpy().astype(np.float64)
            shape = (len(rows), len(self._corpus.vocabulary))
            cells = sp.csr_array(
                (x, minibatch.indices.numpy(), minibatch.offsets.numpy()), shape=shape
            )
            self._read[key] = cells[:, self._genes].toarray()
        return self._read[key]
