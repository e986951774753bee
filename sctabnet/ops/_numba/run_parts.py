from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch

# Below this many listed genes, handing work to a second thread costs more than it saves.
_WORTH_A_THREAD = 20_000


def run_parts(kernel: Callable[..., int], bounds: np.ndarray, *args: object) -> int:
    """Run ``kernel(start, stop, *args)`` over neighbouring bounds, one thread each.

    Own threads rather than numba's: its pools cannot be entered from two Python threads at once
    (a loader beside a training step) or do not survive a fork.

    Returns
    -------
    The lowest non-negative number that a part returned (a row with bad input), or -1.
    """
    parts = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    futures = [
        _pool(os.getpid(), len(parts) - 1).submit(kernel, start, stop, *args)
        for start, stop in parts[1:]
    ]
    codes = [kernel(*parts[0], *args), *(future.result() for future in futures)]
    return min((code for code in codes if code >= 0), default=-1)


def row_bounds(offsets: np.ndarray) -> np.ndarray:
    """Cut the rows into parts of about equally many listed genes."""
    n_listed = int(offsets[-1])
    shares = np.linspace(0, n_listed, _n_parts(n_listed) + 1)[1:-1]
    inner = np.searchsorted(offsets, shares).clip(0, len(offsets) - 1)
    return np.concatenate([[0], inner, [len(offsets) - 1]])


def gene_bounds(n_genes: int, n_listed: int) -> np.ndarray:
    """Cut the genes into parts of equal width, none of them empty."""
    n_parts = max(1, min(_n_parts(n_listed), n_genes))
    return np.linspace(0, n_genes, n_parts + 1).astype(np.int64)


def _n_parts(n_listed: int) -> int:
    return max(1, min(torch.get_num_threads(), n_listed // _WORTH_A_THREAD))


@lru_cache(maxsize=4)
def _pool(process: int, n_threads: int) -> ThreadPoolExecutor:
    # keyed by process: a forked child starts its own threads
    return ThreadPoolExecutor(n_threads, thread_name_prefix=f"sctabnet-ops-{process}")
