"""FSDP on two gloo processes: half of the model on each, and the checkpoints of one process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap

import pytest
import torch
from safetensors.torch import load_file

import sctabnet as sct
from sctabnet.data.simulate import simulate_atlas
from sctabnet.train import checkpoint_store
from sctabnet.train.shard_like import shard_like
from sctabnet.train.whole_state import whole_state

OPTIONS = {
    "n_d": 8, "n_a": 8, "n_steps": 2, "max_epochs": 2, "minibatch_size": 64, "ghost_size": 32,
    "accelerator": "cpu", "ema_decay": 0.9, "checkpoint_every": 2, "batch_key": "batch",
}  # fmt: skip
SCRIPT = """
    import json, os, sys, warnings
    warnings.simplefilter("ignore")
    import torch
    torch.set_num_threads(1)
    import sctabnet as sct
    from sctabnet.data.simulate import simulate_atlas
    from sctabnet.train import checkpoint_store
    from sctabnet.train.sharded_strategy import ShardedStrategy

    checkpoint_store.KEPT = 99
    gathered = ShardedStrategy.optimizer_state

    def state(self, optimizer):
        tensors = [t for moment in optimizer.state.values() for t in moment.values() if t.dim()]
        here = sum(t.to_local().numel() for t in tensors) / sum(t.numel() for t in tensors)
        with open(f"{sys.argv[1]}.{self.global_rank}.json", "w") as file:
            json.dump(here, file)
        return gathered(self, optimizer)

    ShardedStrategy.optimizer_state = state
    if __name__ == "__main__":
        sct.settings.progress_bar = False
        cells = simulate_atlas(301, 120, n_types=3)
        options = json.loads(sys.argv[2])
        sct.pretrain(cells, run=sys.argv[1], devices=2, strategy="fsdp", resume=True, **options)
"""


@pytest.mark.slow
def test_two_sharded_processes_go_on_where_one_was_interrupted(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_store, "KEPT", 99)
    whole, sharded = tmp_path / "whole", tmp_path / "sharded"
    one = sct.pretrain(simulate_atlas(301, 120, n_types=3), run=whole, **OPTIONS)
    shutil.copytree(whole, sharded)
    shutil.rmtree(sharded / "model")
    for path in (sharded / "checkpoints").iterdir():
        if int(path.stem.removeprefix("step-")) > 2:
            path.unlink()

    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script), str(sharded), json.dumps(OPTIONS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    here = [json.loads((tmp_path / f"sharded.{rank}.json").read_text()) for rank in (0, 1)]
    assert sum(here) == pytest.approx(1) and max(here) < 0.6
    assert distance(one, sct.Model.load(sharded / "model")) < 1e-4
    # what they write is what one process writes, so any number of processes can go on from it
    last = "checkpoints/step-000000010.safetensors"
    tensors = [load_file(folder / last) for folder in (whole, sharded)]
    shapes = [{name: value.shape for name, value in found.items()} for found in tensors]
    shared = [{n: s for n, s in found.items() if "RankGenerators" not in n} for found in shapes]
    assert shared[0] == shared[1]


def distance(one, other):
    states = one.network.state_dict(), other.network.state_dict()
    assert states[0].keys() == states[1].keys()
    pairs = [(states[0][name], states[1][name]) for name in states[0] if states[0][name].numel()]
    return max(float((a - b).abs().max()) for a, b in pairs)


def test_without_shards_nothing_is_changed():
    state = {"a": torch.ones(2), "b": [torch.zeros(1), 3]}
    assert whole_state(state)["b"][0] is state["b"][0]
    assert torch.equal(shard_like(state["a"], torch.empty(2)), torch.ones(2))


def test_only_pretraining_is_sharded(cells):
    with pytest.raises(ValueError, match="strategy of finetune must be one of"):
        sct.finetune(cells, labels_key="cell_type", strategy="fsdp")
    with pytest.raises(ValueError, match=r"strategy must be one of .*Found 'zero'"):
        sct.pretrain(cells, strategy="zero")
    with pytest.raises(ValueError, match=r"fsdp' takes the precisions .*Found '64-true'"):
        sct.pretrain(cells, strategy="fsdp", precision="64-true")
    with pytest.raises(ValueError, match="at least 32 bits. Found 'bf16-true'"):
        sct.pretrain(cells, precision="bf16-true")
