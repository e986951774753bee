"""A model fitted to a query: what changes, what does not, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import sctabnet as sct


@pytest.fixture(scope="module")
def query(cells):
    """The same kind of cells, every gene caught less well, by a factor of its own."""
    rng = np.random.default_rng(0)
    taken = cells[120:].copy()
    kept = rng.uniform(0.2, 1, taken.n_vars)
    counts = np.asarray(taken.X.todense()) if hasattr(taken.X, "todense") else np.asarray(taken.X)
    taken.X = rng.binomial(counts.astype(int), kept).astype(np.float32)
    return taken


@pytest.mark.parametrize("method", ["statistics", "joint"])
def test_makes_a_new_model_and_leaves_the_old_one(cells, model, query, tmp_path, method):
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    adapted = sct.adapt(model, query, method=method, reference=cells)
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    changed = {n for n, v in adapted.network.state_dict().items() if not torch.equal(v, before[n])}
    if method == "joint":  # so that the reference's embeddings stay what they were
        assert changed and all(name.startswith("labels.") for name in changed)
    else:
        assert changed == {"encoder.mean"}
    again = sct.adapt(model, query, method=method, reference=cells)
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, adapted.network.state_dict()[name]), name
    adapted.save(tmp_path / "model")
    loaded = sct.Model.load(tmp_path / "model")
    first, second = (
        sct.tl.transfer_labels(query, m, coverage=0.9, copy=True) for m in (adapted, loaded)
    )
    assert first.obs["sctabnet_label"].equals(second.obs["sctabnet_label"])
    right = (first.obs["sctabnet_label"].astype(str) == query.obs["cell_type"].astype(str)).mean()
    assert right > 0.8
    assert first.obsm["sctabnet_label_set"].any(1).mean() > 0.5


def test_transfer_adapts_when_asked(cells, model, query):
    adapted = sct.adapt(model, query, reference=cells)
    expected = sct.tl.transfer_labels(query, adapted, copy=True)
    found = sct.tl.transfer_labels(query, model, adapt="joint", reference=cells, copy=True)
    assert found.obs["sctabnet_label"].equals(expected.obs["sctabnet_label"])
    assert found.uns["sctabnet"]["params"]["adapt"] == "joint"


def test_what_cannot_be_adapted(cells, model, pretrained, query):
    with pytest.raises(ValueError, match="Found reference=None"):
        sct.tl.transfer_labels(query, model, adapt="joint")
    with pytest.raises(ValueError, match="Found 'best'.*Choose"):
        sct.adapt(model, query, method="best")
    with pytest.raises(ValueError, match="names no cell types"):
        sct.adapt(pretrained, query, method="statistics")
    other = cells.copy()
    other.obs["cell_type"] = "something else " + other.obs["cell_type"].astype(str)
    with pytest.raises(ValueError, match="that the model does not have"):
        sct.adapt(model, query, reference=other)
    assert not [column for column in query.obs if column.startswith("sctabnet")]


def test_joint_takes_a_reference_without_one_of_the_types(cells, model, query):
    """The others are named as before."""
    lost = model.labels[0]
    part = cells[cells.obs["cell_type"].astype(str) != lost].copy()
    adapted = sct.adapt(model, query, reference=part)
    assert adapted.labels == model.labels
    found = sct.tl.transfer_labels(query, adapted, copy=True).obs["sctabnet_label"].astype(str)
    others = (query.obs["cell_type"].astype(str) != lost).to_numpy()
    right = found[others] == query.obs["cell_type"].astype(str)[others]
    assert right.mean() > 0.8


def test_joint_takes_more_cells_than_it_looks_at(cells, model, query, monkeypatch):
    """Rare types are kept, so a sample may hold a few cells more than it should."""
    monkeypatch.setattr("sctabnet.train.adapt.MAX_CELLS", 100)
    monkeypatch.setattr("sctabnet.train.wide_path.MAX_SCORED", 100)
    part = cells.copy()
    rare = [f"rare {i // 2}" for i in range(40)]
    part.obs["cell_type"] = [*rare, *part.obs["cell_type"].astype(str)[40:]]
    tuned = sct.finetune(part, labels_key="cell_type", deep=False)
    assert sct.adapt(tuned, query, reference=part).labels == tuned.labels


def test_joint_reads_labels_as_finetuning_does(cells, query):
    part = cells.copy()
    names = part.obs["cell_type"].astype(str).to_numpy()
    part.obs["cell_type"] = [f"{n} " if i % 2 else n for i, n in enumerate(names)]
    part.obs.loc[part.obs_names[:3], "cell_type"] = ["nan", "<NA>", ""]
    tuned = sct.finetune(part, labels_key="cell_type", deep=False)
    assert sct.adapt(tuned, query, reference=part).labels == tuned.labels
