from __future__ import annotations

import importlib.util

import pytest

from sctabnet.ops import set_backend


@pytest.fixture(params=["torch", "numba"])
def backend(request):
    """Run a test once per backend that works on the CPU."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    with set_backend(request.param):
        yield request.param
