from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from sctabnet import evaluate

LABELS = st.sampled_from(["B", "T", "NK", "mono"])


@settings(max_examples=50)
@given(pairs=st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40))
def test_is_scikit_learns(pairs):
    truth, given_ = map(list, zip(*pairs, strict=True))
    found = evaluate.labels(truth, given_)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, given_))
    known = sorted(set(truth))
    macro = f1_score(truth, given_, labels=known, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(macro)
    assert {type(value) for value in found.values()} == {float}


def test_a_type_that_is_never_found_counts_as_nothing():
    assert evaluate.labels(["a", "a", "b"], ["a", "a", "a"])["macro_f1"] == pytest.approx(0.4)


def test_categories_and_strings_mix():
    import pandas as pd

    assert evaluate.labels(pd.Categorical(["a", "b"]), np.array(["a", "b"]))["accuracy"] == 1


def test_lengths_must_agree():
    for truth, given_ in ((["a"], ["a", "b"]), ([], [])):
        with pytest.raises(ValueError, match="same number of cells, at least one. Found"):
            evaluate.labels(truth, given_)
    for more in ({"confidence": [0.5]}, {"label_sets": ["a"]}):
        with pytest.raises(ValueError, match="must have one entry per cell. Found 1 for 2"):
            evaluate.labels(["a", "b"], ["a", "b"], **more)


def test_cells_without_a_known_type_are_no_type():
    with pytest.raises(ValueError, match="Found 1 cells without one. Leave them out"):
        evaluate.labels(["a", np.nan], ["a", "a"])


@pytest.mark.parametrize("wrong", [1.5, -0.1, np.nan])
def test_a_confidence_that_is_no_probability(wrong):
    with pytest.raises(ValueError, match=f"between 0 and 1. Found {wrong}"):
        evaluate.labels(["a", "b"], ["a", "b"], confidence=[0.5, wrong])
