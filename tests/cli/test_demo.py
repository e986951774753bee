from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import sctabnet as sct
from sctabnet.cli import demo as module
from sctabnet.cli.main import main

FILES = {"annotated.h5ad", "model", "genes.png", "labels.png"}
OBS = {
    "sctabnet_label",
    "sctabnet_confidence",
    "sctabnet_unknown",
    "sctabnet_label_set",
    "sctabnet_n_genes_attended",
    "sctabnet_attention_entropy",
    "sctabnet_top_genes",
}


def check(folder, said, labels_key):
    assert {path.name for path in folder.iterdir()} == FILES
    assert all((folder / name).stat().st_size > 5000 for name in FILES if name.endswith("png"))
    adata = ad.read_h5ad(folder / "annotated.h5ad")
    assert OBS | {labels_key} <= set(adata.obs)
    assert {"X_sctabnet", "sctabnet_label_set"} <= set(adata.obsm)
    assert "sctabnet_importance" in adata.var and "sctabnet_importance" in adata.varm
    assert {"sctabnet", "sctabnet_importance"} <= set(adata.uns)
    table = [line.split() for line in said.splitlines()]
    [ours] = [row for row in table if row[:1] == ["sctabnet"]]
    [majority] = [row for row in table if row[:2] == ["majority", "class"]]
    assert [row for row in table if row[:2] == ["logistic", "regression"]]
    truth, found = adata.obs[labels_key].astype(str), adata.obs["sctabnet_label"].astype(str)
    assert float(ours[2]) == pytest.approx((truth == found).mean(), abs=6e-4)
    assert float(ours[2]) > float(majority[3]) + 0.2
    for name in FILES:
        assert f"wrote {folder / name}" in said
    model = sct.Model.load(folder / "model")
    assert list(adata.obs["sctabnet_label"].cat.categories) == list(model.labels)
    return adata


@pytest.fixture
def short(monkeypatch):
    """The same road with fewer steps."""
    for name in ("pretrain", "finetune"):
        whole = getattr(module, name)
        options = {"max_epochs": 2} | ({"n_d": 8, "n_a": 8} if name == "pretrain" else {})
        monkeypatch.setattr(module, name, lambda *a, w=whole, o=options, **k: w(*a, **(k | o)))


@pytest.mark.usefixtures("short")
def test_on_a_file_of_ones_own(cells, tmp_path, capsys):
    adata = cells.copy()
    labels = adata.obs["cell_type"].astype(object).to_numpy()
    labels[0], labels[1] = np.nan, "alone"
    adata.obs["cell_type"] = labels
    adata.obs["sctabnet_label"] = "from an earlier run"
    adata.write_h5ad(tmp_path / "cells.h5ad")
    folder = tmp_path / "demo"
    argv = ["demo", "--data", str(tmp_path / "cells.h5ad"), "--labels-key", "cell_type"]
    assert main([*argv, "--out", str(folder)]) == 0, capsys.readouterr().err
    query = check(folder, capsys.readouterr().out, "cell_type")
    assert query.n_obs == pytest.approx(0.3 * 238, abs=2) and "alone" not in set(
        query.obs["cell_type"]
    )
    assert "alone" in sct.Model.load(folder / "model").labels
    assert main([*argv, "--out", str(folder)]) == 0  # and again onto its own results


@pytest.mark.slow
def test_on_the_blood_cells_of_scanpy(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr().out
    query = check(tmp_path / "demo", said, "bulk_labels")
    assert query.n_obs == 210
