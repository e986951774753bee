"""Part of a minibatch."""

from __future__ import annotations

from dataclasses import replace

from sctabnet.data.minibatch import Minibatch


def first_cells(minibatch: Minibatch, n_cells: int) -> Minibatch:
    """Return the first ``n_cells`` cells; minibatches are shuffled, so these are random ones."""
    n = min(n_cells, len(minibatch))
    end = int(minibatch.offsets[n])
    return replace(
        minibatch,
        values=minibatch.values[:end],
        indices=minibatch.indices[:end],
        offsets=minibatch.offsets[: n + 1],
        labels=minibatch.labels[:n],
        covariates=minibatch.covariates[:n],
        weights=minibatch.weights[:n],
        row_ids=minibatch.row_ids[:n],
        source_ids=minibatch.source_ids[:n],
    )
