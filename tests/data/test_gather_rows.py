"""The kernel against dense NumPy arithmetic, on rows in every kind of disorder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.data.csr_source import CsrSource
from sctabnet.data.memory_array import MemoryArray
from sctabnet.data.row_reader import RowReader

VALUE_DTYPES = [np.float32, np.float64, np.uint16, np.int32]
INDEX_DTYPES = [np.uint16, np.int32, np.int64]


def source_of(rows, n_columns, value_dtype=np.float32, index_dtype=np.int32, name="x"):
    return CsrSource(
        name,
        data=MemoryArray(np.array([v for row in rows for _, v in row], value_dtype)),
        indices=MemoryArray(np.array([i for row in rows for i, _ in row], index_dtype)),
        indptr=MemoryArray(np.cumsum([0, *map(len, rows)])),
        gene_ids=np.array([f"g{i}" for i in range(n_columns)], object),
        obs_names=lambda: np.empty(0),
        obs_columns=(),
        obs=lambda column: None,
    )


def expected(rows, lut, picks, n_genes):
    dense = np.zeros((len(picks), n_genes))
    for i, pick in enumerate(picks):
        for column, value in rows[pick] if pick >= 0 else []:
            if lut[column] >= 0:
                dense[i, lut[column]] += value
    return dense


@st.composite
def cases(draw):
    n_columns = draw(st.integers(1, 130))
    n_genes = draw(st.integers(1, 140))
    row = st.lists(st.tuples(st.integers(0, n_columns - 1), st.integers(0, 9)), max_size=40)
    tidy = draw(st.booleans())
    rows = draw(st.lists(row, min_size=1, max_size=6))
    if tidy:
        rows = [sorted(dict(r).items()) for r in rows]
    kind = draw(st.sampled_from(["any", "ascending", "identical"]))
    lut = draw(st.lists(st.integers(-1, n_genes - 1), min_size=n_columns, max_size=n_columns))
    if kind == "ascending":
        known = sorted({i for i in lut if i >= 0})
        lut = (known + [-1] * n_columns)[:n_columns]
    if kind == "identical":
        n_genes, lut = n_columns, list(range(n_columns))
    picks = draw(st.lists(st.integers(-1, len(rows) - 1), max_size=8))
    dtypes = draw(st.sampled_from(VALUE_DTYPES)), draw(st.sampled_from(INDEX_DTYPES))
    return rows, np.array(lut, np.int32), n_columns, n_genes, picks, dtypes


@settings(max_examples=120, deadline=None)
@given(cases())
def test_equals_dense_arithmetic(case):
    rows, lut, n_columns, n_genes, picks, dtypes = case
    reader = RowReader([source_of(rows, n_columns, *dtypes)], [lut], n_genes)
    buffer = reader.load(np.arange(len(rows)))
    values, indices, offsets, row_ids = reader.gather(buffer, np.array(picks, np.int64))
    assert row_ids.tolist() == picks
    assert (values != 0).all()
    dense = np.zeros((len(picks), n_genes))
    for i in range(len(picks)):
        own = slice(offsets[i], offsets[i + 1])
        assert (np.diff(indices[own]) > 0).all()
        dense[i, indices[own]] = values[own]
    np.testing.assert_array_equal(dense, expected(rows, lut, picks, n_genes))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bad_value_names_gene_row_and_file(value, dtype):
    rows = [[(0, 1)], [(1, 2), (2, value)]]
    reader = RowReader([source_of(rows, 3, dtype, name="file.h5ad")], [np.arange(3)], 3)
    with pytest.raises(ValueError, match=r"gene 'g2' in row 1 of file\.h5ad"):
        reader.gather(reader.load(np.arange(2)), np.array([0, 1]))


def test_negative_integer_is_found():
    reader = RowReader([source_of([[(0, -3)]], 1, np.int32)], [np.arange(1)], 1)
    with pytest.raises(ValueError, match="Found -3"):
        reader.gather(reader.load(np.arange(1)), np.array([0]))


@pytest.mark.parametrize("index", [7, -1])
def test_column_that_does_not_exist(index):
    reader = RowReader([source_of([[(index, 1)]], 3)], [np.arange(3)], 3)
    with pytest.raises(ValueError, match=rf"Found {index} among 3 genes in row 0 of x"):
        reader.gather(reader.load(np.arange(1)), np.array([0]))


def test_sources_of_different_types_share_a_minibatch():
    a = source_of([[(0, 1), (2, 2)]], 3, np.uint16, np.uint16)
    b = source_of([[(1, 5)]], 2, np.float64, np.int64)
    reader = RowReader([a, b], [np.array([2, 1, 0]), np.array([-1, 3])], 4)
    values, indices, offsets, _ = reader.gather(reader.load(np.array([1, 0])), np.array([0, 1]))
    assert values.tolist() == [5, 2, 1] and indices.tolist() == [3, 0, 2]
    assert offsets.tolist() == [0, 1, 3]


def test_results_outlive_the_next_ones():
    rows = [[(0, i + 1)] for i in range(50)]
    reader = RowReader([source_of(rows, 1)], [np.arange(1)], 1)
    kept = [reader.gather(reader.load(np.array([i])), np.array([0])) for i in range(50)]
    assert [part.values.tolist() for part in kept] == [[i + 1] for i in range(50)]
