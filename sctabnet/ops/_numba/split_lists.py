from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from sctabnet.ops._numba.common_genes import CommonGenes
from sctabnet.ops._numba.run_parts import row_bounds, run_parts

# Keeps the matrix of common genes in the shared cache, and its size off the minibatch's.
_CELLS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Lists:
    """Ragged lists with gaps: row ``i`` owns ``starts[i]:ends[i]``."""

    values_k: np.ndarray
    indices_k: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def whole_lists(values_k: Tensor, indices_k: Tensor, offsets: Tensor) -> Lists:
    """Return the lists as they are."""
    indices = indices_k.numpy().view(np.uint32)
    return Lists(values_k.numpy(), indices, offsets.numpy()[:-1], offsets.numpy()[1:])


def rare_lists(lists: Lists) -> Lists:
    """Return room for what `dense_chunks` leaves of the lists."""
    empty = np.empty_like
    return Lists(empty(lists.values_k), empty(lists.indices_k), lists.starts, lists.ends.copy())


def dense_chunks(
    common: CommonGenes, lists: Lists, rare: Lists, offsets: np.ndarray
) -> Iterator[tuple[slice, Tensor]]:
    """Yield the common genes as matrices, some cells at a time, and list the others in ``rare``.

    Yields
    ------
    The cells, and their values of the common genes, (cells, h), in memory that the next reuses.
    """
    n_rows, n_common = len(lists.starts), len(common.genes_h)
    # one column more takes what is rare: adding without asking beats a branch that is hard to guess
    dense = np.empty((min(_CELLS_AT_ONCE, n_rows), n_common + 1), lists.values_k.dtype)
    for first in range(0, n_rows, _CELLS_AT_ONCE):
        last = min(first + _CELLS_AT_ONCE, n_rows)
        bounds = row_bounds(offsets[first : last + 1] - offsets[first])
        arrays = (lists.values_k, lists.indices_k, lists.starts, offsets, common.slot_g)
        run_parts(_split, bounds, first, *arrays, dense, rare.values_k, rare.indices_k, rare.ends)
        yield slice(first, last), torch.from_numpy(dense[: last - first, :n_common])


@numba.njit(nogil=True, cache=True)
def _split(  # type: ignore[no-untyped-def]
    start, stop, first, values, indices, starts, offsets, slot, dense, left, left_indices, left_ends
):
    behind = dense.shape[1] - 1
    for cell in range(start, stop):
        row = first + cell
        at, values_h = starts[row], dense[cell]
        values_h[:] = 0
        for i in range(at, offsets[row + 1]):
            where = slot[indices[i]]
            values_h[where] += values[i]
            left[at], left_indices[at] = values[i], indices[i]
            at += where == behind
        left_ends[row] = at
    return -1
