from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sctabnet._errors import InputError
from sctabnet.tabular.table_encoder import TableEncoder


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [20.0, 30.0, np.nan, 50.0],
            "city": ["Ulm", None, "Bonn", "Ulm"],
            "flag": [True, False, True, True],
            "kind": pd.Categorical([3, 1, 3, 2]),
            "constant": [7, 7, 7, 7],
        }
    )


def test_numbers_are_standardised_and_missing_ones_marked() -> None:
    encoder = TableEncoder().fit(frame())
    encoded = encoder.transform(frame())
    assert encoded.dtype == np.float32
    assert encoder.indicators == [0]
    assert encoder.n_encoded == 6
    np.testing.assert_allclose(encoded[[0, 1, 3], 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(encoded[[0, 1, 3], 0].std(), 1, atol=1e-6)
    assert encoded[2, 0] == 0
    np.testing.assert_array_equal(encoded[:, 5], [0, 0, 1, 0])
    np.testing.assert_array_equal(encoded[:, 4], 0)


def test_categories_become_codes_and_unseen_ones_the_unknown_code() -> None:
    encoder = TableEncoder().fit(frame())
    assert sorted(encoder.categories) == [1, 3]
    encoded = encoder.transform(frame())
    np.testing.assert_array_equal(encoded[:, 1], [2, 3, 1, 2])
    np.testing.assert_array_equal(encoded[:, 3], [3, 1, 3, 2])
    assert encoder.n_codes(1) == 4
    new = frame().assign(city=["Rom", "Ulm", None, "Bonn"], kind=[9, None, 1, 2])
    encoded = encoder.transform(new)
    np.testing.assert_array_equal(encoded[:, 1], [0, 2, 3, 1])
    # "kind" missed no value in training: a missing one is unknown.
    np.testing.assert_array_equal(encoded[:, 3], [0, 0, 1, 2])


def test_a_column_complete_in_training_may_miss_values_later() -> None:
    X = np.array([[1.0, 2.0], [3.0, 5.0]])
    encoder = TableEncoder().fit(X)
    encoded = encoder.transform(np.array([[np.nan, 2.0]]))
    assert encoded.shape == (1, 2)
    assert encoded[0, 0] == 0


@pytest.mark.parametrize("categorical", ["auto", [1]])
def test_sparse_equals_dense(categorical: Any, rng: np.random.Generator) -> None:
    X = rng.poisson(0.5, size=(40, 700)).astype(float)
    X[3, 5] = np.nan
    dense, of_sparse = TableEncoder(), TableEncoder()
    dense.fit(X, categorical)
    of_sparse.fit(sparse.csr_matrix(X), categorical)
    np.testing.assert_array_equal(
        dense.transform(X), of_sparse.transform(sparse.csr_matrix(X)[:, :])
    )


def test_json_round_trip() -> None:
    encoder = TableEncoder().fit(frame())
    again = TableEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    np.testing.assert_array_equal(encoder.transform(frame()), again.transform(frame()))


def test_array_of_numbers_with_a_categorical_column() -> None:
    X = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 10.0]])
    encoder = TableEncoder().fit(X, [1])
    np.testing.assert_array_equal(encoder.transform(X)[:, 1], [1, 2, 1])


@pytest.mark.parametrize(
    ("categorical", "message"),
    [
        ("city", "must be 'auto' or a list"),
        (["town"], "no column named 'town'"),
        ([9], "no column 9"),
    ],
)
def test_bad_categorical_features(categorical: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TableEncoder().fit(frame(), categorical)


def test_dates_and_mixed_types_are_refused() -> None:
    dates = pd.DataFrame({"day": pd.to_datetime(["2020-01-01", "2020-01-02"])})
    with pytest.raises(InputError, match="Convert the column to text"):
        TableEncoder().fit(dates)
    mixed = pd.DataFrame({"a": ["x", 1]})
    with pytest.raises(InputError, match="mixes types"):
        TableEncoder().fit(mixed)
