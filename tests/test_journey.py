"""The whole road on real blood cells: pretrain, learn labels, save, load, transfer, embed, rank."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from sklearn.model_selection import train_test_split

import sctabnet as sct


@pytest.fixture(scope="module")
def split():
    adata = sct.datasets.pbmc68k()
    train, test = train_test_split(
        np.arange(adata.n_obs), test_size=0.3, stratify=adata.obs["bulk_labels"], random_state=0
    )
    return adata[np.sort(train)].copy(), adata[np.sort(test)].copy()


def test_real_blood_cells(split, tiny, tmp_path):
    reference, query = split
    truth = query.obs.pop("bulk_labels").astype(str)
    options = tiny | {"max_epochs": 3}
    pretrained = sct.pretrain(reference, layer="raw", **options)
    made = sct.finetune(
        reference, init=pretrained, labels_key="bulk_labels", layer="raw", max_epochs=3
    )
    model = sct.Model.load(made.save(tmp_path / "model"))
    assert model.digest() == made.digest() and repr(model) == repr(made)
    assert model.config.accepts == "any" and len(model.labels) == 10

    sct.tl.transfer_labels(query, model, layer="raw", coverage=0.9)
    sct.tl.embed(query, model, layer="raw")
    with pytest.warns(UserWarning, match="fewer than 10 cells are not ranked: .*CD34"):
        sct.tl.gene_importance(query, model, layer="raw", method="contribution")
    score = sct.evaluate.labels(list(truth), list(query.obs["sctabnet_label"]))
    majority = truth.value_counts(normalize=True).iloc[0]
    assert score["accuracy"] > majority + 0.3
    assert score["macro_f1"] > 0.5
    covered = [
        known in said.split("|")
        for known, said in zip(truth, query.obs["sctabnet_label_set"], strict=True)
    ]
    assert np.mean(covered) > 0.8
    ranked = sct.get.importance_df(query, n_genes=10)
    b_cells = set(ranked[ranked["group"] == "CD19+ B"]["gene"])
    assert b_cells & {"CD79A", "CD79B", "CD74", "HLA-DRA", "MS4A1"}
    assert query.obsm["X_sctabnet"].shape == (210, 8)
    # what is said does not depend on whether the model went through files
    again = sct.tl.transfer_labels(
        query, made, layer="raw", coverage=0.9, copy=True, overwrite=True
    )
    assert again.obs["sctabnet_confidence"].equals(query.obs["sctabnet_confidence"])
    query.obs["bulk_labels"] = truth.to_numpy()
    sct.pl.confusion(query, "bulk_labels")
    sct.pl.importance_heatmap(query)
    query.write_h5ad(tmp_path / "annotated.h5ad")
    back = sc.read_h5ad(tmp_path / "annotated.h5ad")
    assert back.obs["sctabnet_label"].equals(query.obs["sctabnet_label"])
    frame = sc.get.rank_genes_groups_df(back, group="CD19+ B", key="sctabnet_importance")
    assert list(frame["names"][:10]) == list(ranked[ranked["group"] == "CD19+ B"]["gene"])
