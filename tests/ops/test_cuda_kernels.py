"""The Triton kernels on CPU tensors, through Triton's interpreter.

The interpreter must be asked for before triton is imported, hence the process of its own: it runs
the tests of this folder once more, for the backend named triton.  This shows that the kernels
compute the right numbers, not that they compile or how fast they are on a GPU.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_kernels_pass_the_tests_of_the_other_backends():
    folder = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", str(folder), "-q", "-p", "no:cacheprovider"]
    # the interpreter computes with numpy, which warns where a GPU quietly gives inf or NaN
    command += ["-k", "triton and not gradcheck", "-W", "ignore::RuntimeWarning"]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    run = subprocess.run(
        command, cwd=folder.parents[1], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert "passed" in run.stdout
