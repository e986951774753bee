from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.importance.top_genes import top_genes


@settings(max_examples=50)
@given(data=st.data(), n_cells=st.integers(1, 6), n_top=st.integers(1, 4))
def test_the_largest_positive_values_of_every_cell_ties_by_gene(data, n_cells, n_top):
    lengths = data.draw(st.lists(st.integers(0, 7), min_size=n_cells, max_size=n_cells))
    rows = np.repeat(np.arange(n_cells), lengths)
    genes = np.concatenate([np.arange(0, 3 * n, 3) for n in lengths]).astype(np.int64)
    value = np.array(data.draw(st.lists(
        st.sampled_from([-1.0, 0.0, 0.5, 0.5, 2.0, 3.0]), min_size=len(rows), max_size=len(rows)
    )), dtype=np.float32)  # fmt: skip
    found = top_genes(value, genes, rows, n_cells, n_top=n_top)
    for cell in range(n_cells):
        mine = [(-v, g) for v, g, r in zip(value, genes, rows, strict=True) if r == cell and v > 0]
        expected = [g for _, g in sorted(mine)][:n_top]
        assert found[cell].tolist() == expected + [-1] * (n_top - len(expected))
