"""Closing gaps, with the processor's instruction for it and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sctabnet.data import compress_row as module

ROOT = Path(__file__).parents[2]


def check_all_lengths() -> None:
    rng = np.random.default_rng(0)
    for length in (0, 1, 15, 16, 17, 33, 500):
        for share_lost in (0, 0.3, 1):
            genes = np.sort(rng.integers(0, 100, length)).astype(np.int32)
            genes[rng.random(length) < share_lost] = 100
            values = rng.integers(0, 3, length).astype(np.float32)
            kept = (genes < 100) & (values != 0)
            expected = values[kept].tolist(), genes[kept].tolist()
            n = module.compress_row(values, genes, 100)
            assert (values[:n].tolist(), genes[:n].tolist()) == expected


@pytest.mark.parametrize("processor", [None, "generic"])
def test_keeps_known_genes_that_are_not_zero(processor):
    if processor is None:
        check_all_lengths()
        return
    code = (
        "from tests.data.test_compress_row import check_all_lengths, module;"
        "assert not module._WIDE; check_all_lengths()"
    )
    environment = {**os.environ, "NUMBA_CPU_NAME": processor, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
