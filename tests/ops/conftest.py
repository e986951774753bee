from __future__ import annotations

import importlib.util
import os

import pytest

from sctabnet.ops import set_backend


@pytest.fixture(params=["torch", "numba", "triton"])
def backend(request):
    """Run a test once per backend; Triton in test_cuda_kernels.py alone."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == "triton" and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("on CPU tensors Triton needs TRITON_INTERPRET=1 (see test_cuda_kernels.py)")
    with set_backend(request.param):
        yield request.param
