"""What is slow to import is loaded where it is needed, and wandb only where it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sctabnet

MODULES = {
    "import sctabnet": {"lightning", "wandb", "torch", "scanpy", "anndata"},
    "import sctabnet; sctabnet.Model": {"lightning", "wandb", "scanpy"},
    "import sctabnet; sctabnet.tl, sctabnet.get, sctabnet.datasets": {
        "lightning",
        "wandb",
        "scanpy",
        "matplotlib",
        "shap",
        "huggingface_hub",
    },
    "import sctabnet; sctabnet.pl": {"lightning", "wandb", "scanpy"},
    "import sctabnet; sctabnet.pretrain, sctabnet.finetune": {"lightning", "wandb", "scanpy"},
    "from sctabnet.cli.main import VERBS; VERBS['annotate']": {
        "lightning",
        "wandb",
        "scanpy",
        "matplotlib",
        "sklearn",
    },
}


@pytest.mark.parametrize("code", list(MODULES))
def test_what_an_import_does_not_load(code):
    unwanted = sorted(MODULES[code])
    check = f"{code}\nimport sys\nprint([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]" and done.stderr == ""


@pytest.mark.parametrize("room", ["tl", "get", "pl", "evaluate", "tabular", "datasets", "report"])
def test_completion_offers_what_is_public_and_nothing_else(room):
    module = getattr(sctabnet, room)
    assert [name for name in dir(module) if not name.startswith("_")] == sorted(module.__all__)
    assert room in dir(sctabnet)


def test_costs_no_more_than_torch_and_anndata():
    def milliseconds(code):
        line = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
        done = subprocess.run([sys.executable, "-c", line], capture_output=True, check=True)
        return float(done.stdout) * 1000

    ours = milliseconds("import sctabnet")
    assert ours < milliseconds("import torch, anndata")
    assert ours < 500
