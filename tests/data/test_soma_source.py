from __future__ import annotations

import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from sctabnet.data.corpus import Corpus
from sctabnet.data.soma_source import SomaSource


@pytest.fixture(scope="module")
def adata():
    x = sp.random(60, 25, 0.3, format="csr", random_state=0, dtype=np.float32)
    x.data = np.ceil(x.data * 9)
    obs = pd.DataFrame(
        {"cell_type": ["A", "B", "C"] * 20, "nnz": np.diff(x.indptr)},
        index=[f"cell{i:02d}" for i in range(60)],
    )
    return ad.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"gene{i:02d}" for i in range(25)]))


@pytest.fixture(scope="module", params=["counted", "scanned"])
def store(request, adata, tmp_path_factory):
    pytest.importorskip("tiledbsoma", reason="the extra `soma` is not installed")
    import tiledbsoma.io

    folder = tmp_path_factory.mktemp("soma") / request.param
    kept = adata.copy()
    if request.param == "scanned":
        del kept.obs["nnz"]
    tiledbsoma.io.from_anndata(str(folder), kept, measurement_name="RNA")
    return folder


def test_cells_are_those_of_the_anndata(store, adata):
    ours, theirs = (Corpus.open(s, labels_key="cell_type") for s in (store, adata))
    assert ours.vocabulary == theirs.vocabulary and ours.labels == theirs.labels
    rows = np.random.default_rng(0).permutation(60)[:40]
    for a, b in zip(
        ours.minibatches(rows, minibatch_size=16, shuffle=True, epoch=1),
        theirs.minibatches(rows, minibatch_size=16, shuffle=True, epoch=1),
        strict=True,
    ):
        for name in ("values", "indices", "offsets", "labels", "row_ids"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name


def test_names_and_columns(store, adata):
    source = SomaSource(store)
    assert list(source.obs_names()) == list(adata.obs_names)
    assert list(source.gene_ids) == list(adata.var_names)
    assert list(source.obs("cell_type")) == list(adata.obs["cell_type"])
    assert source.n_entries == adata.X.nnz


def test_a_layer_that_is_not_there(store):
    with pytest.raises(KeyError, match="layer='counts' is not in .*Found .*'data'"):
        SomaSource(store, layer="counts")


def test_a_folder_that_is_no_experiment(tmp_path):
    pytest.importorskip("tiledbsoma", reason="the extra `soma` is not installed")
    with pytest.raises(ValueError, match="cannot be opened as a SOMA experiment"):
        SomaSource(tmp_path)


def test_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tiledbsoma", None)
    with pytest.raises(ImportError, match=r"pip install 'sctabnet\[soma\]'"):
        SomaSource(tmp_path)
