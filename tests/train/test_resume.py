"""Interrupted runs go on to the same bits, wherever they were interrupted."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import sctabnet as sct
from sctabnet._errors import InputError
from sctabnet.train import checkpoint_store
from sctabnet.train.export_run import export_run
from sctabnet.train.lightning_network import LightningNetwork
from sctabnet.train.run_folder import RunFolder
from sctabnet.train.run_interrupted import RunInterrupted

ROOT = Path(__file__).resolve().parents[2]
TIMINGS = ("cells_per_s", "wait_share")


@pytest.fixture(scope="module")
def options(tiny):
    return {**tiny, "checkpoint_every": 1, "batch_key": "batch"}


def metrics(folder):
    with RunFolder(folder).metrics.open() as file:
        return [[v for k, v in row.items() if k not in TIMINGS] for row in csv.DictReader(file)]


def interrupt_at(monkeypatch, step, act):
    original = LightningNetwork.training_step

    def training_step(self, minibatch, index):
        if self.global_step == step:
            act()
        return original(self, minibatch, index)

    monkeypatch.setattr(LightningNetwork, "training_step", training_step)


@pytest.mark.parametrize("extra", [{}, {"accumulate": 3, "ema_decay": 0.9}], ids=["plain", "ema"])
def test_every_checkpoint_leads_to_the_same_model(cells, options, tmp_path, monkeypatch, extra):
    options = options | extra
    monkeypatch.setattr(checkpoint_store, "KEPT", 1000)
    whole = tmp_path / "whole"
    model = sct.pretrain(cells, run=whole, **options)
    assert model.digest() == sct.pretrain(cells, **options).digest()
    found = sorted((whole / "checkpoints").glob("*.json"))
    assert len(found) == (4 if extra else 8)
    for path in found:
        folder = tmp_path / path.stem
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("checkpoints", "model"))
        (folder / "checkpoints").mkdir()
        for file in (path, path.with_suffix(".safetensors")):
            shutil.copy(file, folder / "checkpoints")
        again = sct.pretrain(cells, run=folder, resume=True, **options)
        assert again.digest() == model.digest() and again.history == model.history, path.stem
        assert metrics(folder) == metrics(whole), path.stem


@pytest.mark.slow
def test_kill_9(tmp_path):
    """One kill anywhere, one inside a save; 100 of them by hand."""
    script = ROOT / "workflows" / "benchmarks" / "kills.py"
    command = [sys.executable, "-W", "ignore", str(script), "--kills", "2", "--in-save", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 killed runs resumed to the same bits" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [2, 3])
def test_a_signal_ends_the_step_and_saves(cells, options, tmp_path, monkeypatch, number, step):
    whole = sct.pretrain(cells, **options)
    with monkeypatch.context() as patch:
        interrupt_at(patch, step, lambda: os.kill(os.getpid(), number))
        handler = signal.getsignal(number)
        with pytest.raises(RunInterrupted, match=f"checkpoint of step {step + 1} ") as stopped:
            sct.pretrain(cells, run=tmp_path / "run", **options | {"checkpoint_every": 100})
    assert stopped.value.exit_code == 128 + number
    assert signal.getsignal(number) == handler
    again = sct.pretrain(
        cells, run=tmp_path / "run", resume=True, **options | {"checkpoint_every": 100}
    )
    assert again.digest() == whole.digest()


def test_export_of_an_unfinished_and_of_a_finished_run(cells, options, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(RunInterrupted):
            sct.pretrain(cells, run=run, **options)
    best = export_run(run)
    assert "unfinished: step 6, 1 epochs" in best.history[-1]["state"]
    model = sct.pretrain(cells, run=run, resume=True, **options)
    assert model.digest() == export_run(run).digest() != best.digest()
    assert sct.pretrain(cells, run=run, resume=True, **options).digest() == model.digest()
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        export_run(tmp_path)


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    cells, options, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    loss = sct.model.network.Network.reconstruction_loss

    def with_nan(self, minibatch, **keywords):
        if keywords["epoch"] == 1:
            minibatch.values[minibatch.offsets[3]] = torch.inf
        return loss(self, minibatch, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(sct.model.network.Network, "reconstruction_loss", with_nan)
        with pytest.raises(InputError, match=r"step 4: .* numbers in adata row \d+\."):
            sct.pretrain(cells, run=run, **options)
    assert (run / "checkpoints" / "step-000000004.json").exists()
    again = sct.pretrain(cells, run=run, resume=True, **options)
    assert again.digest() == sct.pretrain(cells, **options).digest()


def test_a_full_disk_leaves_the_checkpoint_before(cells, options, tmp_path, monkeypatch):
    run = tmp_path / "run"
    write = Path.write_bytes

    def full(self, data):
        if "step-000000003" in self.name:
            write(self, data[:1000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match=r"step 3 could not.*No space left.*bytes are needed"):
            sct.pretrain(cells, run=run, **options)
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert [name for name in names if name.endswith(".json")] == [
        "step-000000001.json",
        "step-000000002.json",
    ]
    assert len(names) == 4
    again = sct.pretrain(cells, run=run, resume=True, **options)
    assert again.digest() == sct.pretrain(cells, **options).digest()


def test_a_damaged_checkpoint_is_passed_over(cells, options, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(RunInterrupted):
            sct.pretrain(cells, run=run, **options)
    newest = max((run / "checkpoints").glob("*.safetensors"))
    data = bytearray(newest.read_bytes())
    data[-100] ^= 1
    newest.write_bytes(data)
    with pytest.warns(UserWarning, match=r"step 5 is damaged .*was changed"):
        again = sct.pretrain(cells, run=run, resume=True, **options)
    assert again.digest() == sct.pretrain(cells, **options).digest()


def test_refused(cells, options, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(RunInterrupted):
            sct.pretrain(cells, run=run, **options)
    before = sorted(path.name for path in run.rglob("*"))

    def refused(message, source=cells, **changes):
        given = {"run": run, "resume": True, **options, **changes}
        with pytest.raises(ValueError, match=message):
            sct.pretrain(source, **given)

    refused("holds a run already.*resume=True", resume=False)
    refused("model.encoder.n_d differs. Found 9, but the run has 8", n_d=9)
    refused("not a run folder", run=tmp_path)
    refused("need the folder of a run", run=None)
    refused("genes are not those of the run", cells[:, :100].copy())
    refused("fingerprint differs", cells[:, ::-1][::-1].copy())
    with RunFolder(run).locked():
        refused(f"in use by a live process. Found process {os.getpid()} on")

    json = max((run / "checkpoints").glob("*.json"))
    text = json.read_text()
    json.write_text(text.replace('"format": 1', '"format": 2'))
    refused("another version of sctabnet. Found format 2")
    json.write_text(text)
    model = sct.pretrain(cells[:, :100].copy(), run=tmp_path / "other", **options)
    assert len(model.vocabulary) == 100
    shutil.rmtree(run / "checkpoints")
    shutil.copytree(tmp_path / "other" / "checkpoints", run / "checkpoints")
    refused("belongs to a run on other genes")
    assert sorted(path.name for path in run.rglob("*") if "step" not in path.name) == [
        name for name in before if "step" not in name
    ]


def test_a_job_that_died_before_its_recipe_can_be_started_again(cells, options, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "lock").write_text("process 1 on nowhere\n")
    (run / ".recipe.1.00.tmp.yaml").write_text("data")
    model = sct.pretrain(cells, run=run, **options)
    assert sct.Model.load(run / "model").digest() == model.digest()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists already"):
        sct.pretrain(cells, run=tmp_path / "other", **options)


def test_bad_data_leaves_no_run_folder(cells, options, tmp_path):
    with pytest.raises(KeyError, match="nowhere"):
        sct.pretrain(cells, run=tmp_path / "run", **options | {"batch_key": "nowhere"})
    assert not (tmp_path / "run").exists()
