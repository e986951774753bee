"""A whole pretraining run on two gloo processes equals that on one: weights and buffers.

In float64, where rounding does not hide a cell that is counted twice or a statistic of one process.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = """
    import os, sys, warnings
    warnings.simplefilter("ignore")
    import torch
    torch.set_num_threads(1)
    import sctabnet as sct
    from safetensors.torch import save_file
    from sctabnet.data.simulate import simulate_atlas

    if __name__ == "__main__":
        sct.settings.progress_bar = False
        model = sct.pretrain(
            simulate_atlas(301, 120, n_types=3), n_d=8, n_a=8, n_steps=2, max_epochs=1,
            minibatch_size=64, ghost_size=32, accelerator="cpu", devices=int(sys.argv[1]),
            precision="64-true",
        )
        if os.environ.get("LOCAL_RANK", "0") == "0":
            state = {k: v.contiguous() for k, v in model.network.state_dict().items()}
            save_file(state, sys.argv[2])
"""


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(SCRIPT))
    states = []
    for devices in (1, 2):
        out = tmp_path / f"{devices}.safetensors"
        command = [sys.executable, str(script), str(devices), str(out)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert run.returncode == 0, run.stderr[-2000:]
        states.append(load_file(out))
    one, two = states
    assert one.keys() == two.keys()
    # the head for embeddings is not trained: every process computes it afterwards, in float32
    trained = [name for name in one if not name.startswith("integrate.")]
    assert {one[name].dtype for name in trained} == {torch.float64}
    apart = {name: float((one[name] - two[name]).abs().max()) for name in one if one[name].numel()}
    assert max(apart[name] for name in trained) < 1e-12
    assert max(apart.values()) < 1e-5
