"""Ragged lists for the tests of this folder."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor


def random_lists(lengths: list[int], n_genes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw ascending gene ids for rows of these lengths: (indices, offsets)."""
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.permutation(n_genes)[:length]) for length in lengths]
    indices = np.concatenate([*rows, np.empty(0, np.int64)]).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return torch.from_numpy(indices), torch.from_numpy(offsets)


def dense(values_k: Tensor, indices_k: Tensor, offsets: Tensor, n_genes: int) -> Tensor:
    """Write ragged values into (n, g)."""
    out = values_k.new_zeros(len(offsets) - 1, n_genes)
    for row, (start, stop) in enumerate(itertools.pairwise(offsets)):
        out[row].index_add_(0, indices_k[start:stop], values_k[start:stop])
    return out


@st.composite
def lists(draw: st.DrawFn) -> tuple[Tensor, Tensor, int]:
    """Draw ragged lists with empty rows: (indices, offsets, n_genes)."""
    n_genes = draw(st.integers(1, 40))
    lengths = draw(st.lists(st.integers(0, n_genes), min_size=1, max_size=8))
    return *random_lists(lengths, n_genes, draw(st.integers(0, 999))), n_genes
