"""The memory bound, held against the operating system: a breach fails."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CHILD = """
    import importlib.util, resource, sys
    import numpy as np

    spec = importlib.util.spec_from_file_location("sources", sys.argv[1])
    sources = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sources)
    from sctabnet.data.cell_table import CellTable
    from sctabnet.data.corpus import Corpus
    from sctabnet.data.epoch_loader import EpochLoader
    from sctabnet.genes import GeneVocabulary

    n_cells = int(sys.argv[2])
    source = sources.GeneratedSource(n_cells, genes_per_cell=1450, n_genes=20_000)
    corpus = Corpus([source], GeneVocabulary(source.gene_ids), CellTable([source]))
    corpus.take(np.arange(8))
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before = peak()
    with open("/proc/self/status") as file:
        virtual = next(int(line.split()[1]) for line in file if line.startswith("VmSize"))
    limit = virtual * 1024 + 620 * 2**20  # address space also holds malloc's arenas and a stack
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    loader = EpochLoader(corpus, minibatch_size=4096)
    for step, minibatch in enumerate(loader):
        if step == 9:
            break
    assert int((minibatch.indices.max())) == 1449
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited as on Linux")
@pytest.mark.parametrize("n_cells", [20_000_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_an_epoch_keeps_its_memory_bound(n_cells):
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(Path(__file__).parent / "conftest.py"),
         str(n_cells)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    assert float(child.stdout) < 512
