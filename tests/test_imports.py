"""Lightning and wandb are loaded by training alone, and wandb only where it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = {
    "import sctabnet": {"lightning", "wandb", "torch", "scanpy", "anndata"},
    "import sctabnet; sctabnet.Model": {"lightning", "wandb", "scanpy"},
    "import sctabnet; sctabnet.pretrain": {"wandb", "scanpy"},
}


@pytest.mark.parametrize("code", list(MODULES))
def test_what_an_import_does_not_load(code):
    unwanted = sorted(MODULES[code])
    check = f"{code}\nimport sys\nprint([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]" and done.stderr == ""
