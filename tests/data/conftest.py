from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp


@pytest.fixture(scope="session")
def make_adata() -> Callable[..., ad.AnnData]:
    """Counts of ``n_cells`` cells over ``genes``, with labels (some missing) and donors."""

    def make(
        n_cells: int = 60,
        genes: int | Sequence[str] = 40,
        *,
        seed: int = 0,
        density: float = 0.3,
        log1p: bool = False,
    ) -> ad.AnnData:
        rng = np.random.default_rng(seed)
        names = [f"G{i:04d}" for i in range(genes)] if isinstance(genes, int) else list(genes)
        dense = rng.poisson(3, (n_cells, len(names))) * (
            rng.random((n_cells, len(names))) < density
        )
        dense[:, 0] += 1  # no cell is empty
        x = sp.csr_matrix(dense.astype(np.float32))
        if log1p:
            x = sp.csr_matrix(np.log1p(dense / dense.sum(1, keepdims=True) * 1e4), dtype=np.float32)
        labels = rng.choice(["T", "B", "NK"], n_cells).astype(object)
        labels[::7] = None
        obs = pd.DataFrame(
            {
                "cell_type": pd.Categorical(labels, categories=["T", "B", "NK", "unused"]),
                "donor": rng.choice(["d1", "d2"], n_cells),
            },
            index=[f"cell{seed}_{i}" for i in range(n_cells)],
        )
        return ad.AnnData(x, obs=obs, var=pd.DataFrame(index=names))

    return make


class GeneratedSource:
    """A source of any number of cells that stores nothing: an entry depends on its place."""

    name = "generated"
    panels = None
    obs_columns: tuple[str, ...] = ()

    def __init__(self, n_cells: int, genes_per_cell: int = 500, n_genes: int = 2000) -> None:
        self.n_cells, self._k = n_cells, genes_per_cell
        self.n_entries = n_cells * genes_per_cell
        self.gene_ids = np.array([f"G{i:05d}" for i in range(n_genes)], dtype=object)
        self.value_dtype, self.index_dtype = np.dtype(np.float32), np.dtype(np.int32)

    def row_bounds(self, starts: Any, stops: Any) -> tuple[Any, Any]:
        rows = np.concatenate([np.arange(a, b) for a, b in zip(starts, stops, strict=True)])
        return rows * self._k, (rows + 1) * self._k

    def read(self, starts: Any, stops: Any, values: Any, indices: Any) -> None:
        at = 0
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            entry = np.arange(start, stop)
            values[at : at + len(entry)] = entry // self._k % 7 + 1
            indices[at : at + len(entry)] = entry % self._k
            at += len(entry)


@pytest.fixture(scope="session")
def generated_source() -> type[GeneratedSource]:
    return GeneratedSource
