from __future__ import annotations

import pandas as pd
import pytest

import sctabnet as sct


def test_columns_of_the_transfer(annotated, cells, model):
    frame = sct.get.labels_df(annotated)
    assert list(frame.columns) == ["label", "confidence", "margin", "unknown", "label_set"]
    pd.testing.assert_series_equal(
        frame["label"], annotated.obs["sctabnet_label"], check_names=False
    )
    plain = sct.tl.transfer_labels(cells, model, copy=True, key_added="other")
    columns = list(sct.get.labels_df(plain, key="other"))
    assert columns == ["label", "confidence", "margin", "unknown"]


def test_what_was_not_computed_is_named(cells):
    with pytest.raises(KeyError, match=r"'sctabnet_label' was not computed yet.*transfer_labels"):
        sct.get.labels_df(cells)
