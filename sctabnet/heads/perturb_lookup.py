from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.conditions import Condition
from sctabnet.heads.perturb_table import PerturbTable

Array = NDArray[np.float64]


class PerturbLookup:
    """Where a condition was measured: weights over the rows of a table."""

    def __init__(self, table: PerturbTable) -> None:
        self.table = table
        self.rows: dict[tuple[str, ...], list[int]] = {}
        for row, condition in enumerate(table.conditions):
            self.rows.setdefault(condition.entities, []).append(row)

    def weights(
        self, condition: Condition, context: int, similar_c: Array | None = None
    ) -> Array | None:
        """Return (p,) weights: its own row, else its rows in other contexts, nearest dose first."""
        rows = self.rows.get(condition.entities)
        if not rows:
            return None
        want = np.log1p([dose for _, dose in condition.parts])
        gaps = [
            float(np.abs(np.log1p([d for _, d in self.table.conditions[i].parts]) - want).sum())
            for i in rows
        ]
        rows = [i for i, gap in zip(rows, gaps, strict=True) if gap <= min(gaps) + 1e-12]
        own = [i for i in rows if self.table.contexts[i] == context]
        out = np.zeros(len(self.table))
        if own or similar_c is None:
            out[own or rows] = 1.0
        else:
            out[rows] = similar_c[self.table.contexts[rows]]
        return out / out.sum()
