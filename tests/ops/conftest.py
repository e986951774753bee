from __future__ import annotations

import os

import pytest

from sctabnet.ops import set_backend

# Triton runs on CPU tensors only under its interpreter, which test_cuda_kernels.py starts.
BACKENDS = ["triton"] if os.environ.get("TRITON_INTERPRET") == "1" else ["torch", "numba"]


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Run a test once per backend that works here."""
    with set_backend(request.param):
        yield request.param
