"""The parts of a run: what is held out, averaged, restored, logged."""

from __future__ import annotations

import csv
import json
import random
import time

import numpy as np
import pandas as pd
import pytest
import torch

import sctabnet as sct
from sctabnet.train.checkpoint_store import CheckpointStore
from sctabnet.train.held_out_cells import held_out_cells
from sctabnet.train.rank_generators import RankGenerators
from sctabnet.train.run_checkpoint_io import RunCheckpointIO
from sctabnet.train.run_folder import RunFolder
from sctabnet.train.run_logger import RunLogger
from sctabnet.train.state_tree import StateTree
from sctabnet.train.trainer_config import TrainerConfig
from sctabnet.train.weight_average import WeightAverage


def test_whole_donors_are_held_out():
    donors = pd.Series(["a", "b", "b", None, "c", "c", "c", "a", "d", "d"], name="donor")
    for seed in range(20):
        train, held = held_out_cells(10, donors, share=0.3, seed=seed)
        assert sorted([*train, *held]) == list(range(10)) and len(held)
        assert not set(donors[train].dropna()) & set(donors[held]) and 3 in train
        assert donors[train].notna().any()
    with pytest.raises(ValueError, match="at least two donors"):
        held_out_cells(2, pd.Series(["a", "a"], name="donor"), share=0.5, seed=0)


def test_donors_of_a_corpus(cells, tiny):
    model = sct.pretrain(cells, donor_key="donor", **tiny)
    assert model.digest() != sct.pretrain(cells, **tiny).digest()
    with pytest.raises(KeyError, match="'nobody' is not a column"):
        sct.pretrain(cells, donor_key="nobody", **tiny)


def test_state_survives_json():
    state = {
        "a": [1, 2.5, None, True, "x", float("inf")],
        3: (torch.arange(3), {"b": torch.tensor(1.5)}),
        "n": np.float64(0.1),
    }
    tree = StateTree.of(state)
    text = json.loads(json.dumps(tree.structure))
    again = StateTree(text, tree.tensors).restore()
    assert again.keys() == state.keys() and again["a"] == state["a"] and again["n"] == 0.1
    assert isinstance(again[3], tuple) and torch.equal(again[3][0], torch.arange(3))


def test_a_saved_state_is_that_of_the_moment_it_was_saved(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints", vocabulary="v")
    io = RunCheckpointIO(store)
    weights = torch.zeros(100_000)
    for step in (1, 2, 3):
        io.save_checkpoint({"global_step": step, "weights": weights}, store.path(step))
        weights += 1
    io.wait()
    assert store.newest() == 3
    assert [float(store.load(step)["weights"][0]) for step in (2, 3)] == [1, 2]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 4
    (tmp_path / "checkpoints" / "step-000000009.safetensors").write_bytes(b"torn")
    (tmp_path / "checkpoints" / ".step-000000009.1.abc.tmp.safetensors").write_bytes(b"torn")
    store.clean()
    assert len(list((tmp_path / "checkpoints").iterdir())) == 4


def test_generators_go_on_where_they_were():
    class Trainer:
        world_size, global_rank = 1, 0

    def draw():
        return torch.rand(2).tolist(), np.random.rand(), random.gauss(0, 1), random.random()

    random.gauss(0, 1)  # leaves its second value pending
    callback = RankGenerators()
    callback.setup(Trainer, None, "fit")
    state = StateTree.of(callback.state_dict())
    first = draw()
    again = RankGenerators()
    again.load_state_dict(
        StateTree(json.loads(json.dumps(state.structure)), state.tensors).restore()
    )
    again.on_train_start(Trainer, None)
    assert draw() == first


def test_the_average_is_the_formula():
    class Trainer:
        global_step = 0

    module = torch.nn.Module()
    module.network = torch.nn.Linear(2, 1)
    callback, expected = WeightAverage(0.5), module.network.weight.detach().clone()
    callback.on_train_start(Trainer, module)
    for step in range(1, 6):
        Trainer.global_step = step
        with torch.no_grad():
            module.network.weight += 1
        for _ in range(2):  # the second minibatch of a step changes nothing
            callback.on_train_batch_end(Trainer, module)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module.network.weight.detach()
    weights = module.network.weight.detach().clone()
    callback.on_validation_start(Trainer, module)
    torch.testing.assert_close(module.network.weight.detach(), expected)
    callback.on_validation_end(Trainer, module)
    assert torch.equal(module.network.weight.detach(), weights)


def test_lines_of_steps_that_come_again_are_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    logger = RunLogger(path)
    for step in range(5):
        logger.log_metrics({"train_loss": step / 2, "epoch": 0, "other": 1}, step)
    logger.log_metrics({"epoch": 3}, 5)
    with path.open("a") as file:
        file.write("5,0")
    RunLogger(path, resumed_at=3).log_metrics({"data/cells_per_s": 7.0}, 3)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[2]["train_loss"] == "1.0" and rows[3]["cells_per_s"] == "7.0"


def test_wandb_offline(cells, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    run = tmp_path / "run"
    sct.pretrain(cells, run=run, logger="wandb", **tiny)
    [record] = (run / "wandb").glob("offline-run-*")
    [written] = record.glob("*.wandb")
    wanted = (b"mask_ratio", b"val_loss", b"model.safetensors")
    patience = time.monotonic() + 60  # a process of wandb's own writes the file
    while not all(word in written.read_bytes() for word in wanted):
        assert time.monotonic() < patience, written.read_bytes()[:200]
        time.sleep(0.2)
    content = written.read_bytes()
    assert cells.var_names[50].encode() not in content
    assert RunFolder(run).metrics.read_text().count("\n") > 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"minibatch_size": 10, "devices": 4},
        {"accumulate": 0},
        {"checkpoint_every": 0},
        {"ema_decay": 1.0},
        {"warmup": -0.1},
        {"gradient_clip": -1},
    ],
)
def test_impossible_choices(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*Found"):
        TrainerConfig(**wrong)


def test_devices_that_are_not_there(cells, tiny):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="cannot be had: accelerator='gpu'"):
        sct.pretrain(cells, accelerator="gpu", **tiny)
