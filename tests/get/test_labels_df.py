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


def test_reads_what_celltypist_writes(cells):
    adata = cells[:4].copy()
    adata.obs["predicted_labels"] = pd.Categorical(["B", "T", "Unassigned", "T"])
    with pytest.raises(KeyError, match=r"'ct_predicted_labels'.*celltypist.annotate"):
        sct.get.labels_df(adata, convention="celltypist", key="ct_")
    assert list(sct.get.labels_df(adata, convention="celltypist")) == ["label", "unknown"]
    adata.obs["conf_score"] = [0.9, 0.8, 0.1, 0.7]
    adata.obs["majority_voting"] = pd.Categorical(["B", "T", "T", "T"])
    adata.obs["over_clustering"] = ["0", "1", "1", "1"]
    frame = sct.get.labels_df(adata, convention="celltypist")
    assert list(frame) == ["label", "confidence", "unknown", "majority_label", "cluster"]
    assert list(frame["unknown"]) == [False, False, True, False] and frame["unknown"].dtype == bool
    assert list(frame.index) == list(adata.obs_names)


def test_reads_what_scanvi_predicts(cells):
    adata = cells[:3].copy()
    with pytest.raises(KeyError, match="'C_scANVI'.*not computed yet.*scANVI's predict"):
        sct.get.labels_df(adata, convention="scvi")
    adata.obs["predictions_scanvi"] = ["B", "Unknown", None]
    frame = sct.get.labels_df(adata, convention="scvi")
    assert list(frame["label"][:2]) == ["B", "Unknown"]
    assert list(frame["unknown"]) == [False, True, False]
    adata.obs["mine"] = ["T", "T", "B"]
    assert list(sct.get.labels_df(adata, convention="scvi", key="mine")["label"]) == ["T", "T", "B"]
    with pytest.raises(ValueError, match="convention must be one of.*Did you mean 'scvi'"):
        sct.get.labels_df(adata, convention="scv")
