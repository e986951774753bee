from __future__ import annotations

import pytest
import torch

from sctabnet.ops import set_backend
from sctabnet.ops.backend import backend_for


def test_auto_takes_numba_on_the_cpu():
    assert backend_for(torch.zeros(1)) == "numba"


def test_context_restores_the_choice_before():
    with set_backend("torch"):
        with set_backend("numba"):
            assert backend_for(torch.zeros(1)) == "numba"
        assert backend_for(torch.zeros(1)) == "torch"
    assert backend_for(torch.zeros(1)) == "numba"


def test_unknown_name():
    with pytest.raises(ValueError, match="Found 'cupy'"):
        set_backend("cupy")


def test_other_devices_take_plain_torch():
    assert backend_for(torch.zeros(1, device="meta")) == "torch"
