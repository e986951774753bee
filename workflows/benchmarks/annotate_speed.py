"""Annotate a file of 100,000 cells on disk: seconds and memory, beside a regression in memory.

    python workflows/benchmarks/annotate_speed.py
    python workflows/benchmarks/annotate_speed.py --cells 20000

Cells of 20,000 genes, about 1,450 of them expressed, in a plain h5ad file. Ours is the command
``sctabnet annotate`` with all that it does: it checks the file, streams it through encoder and
label head, and writes a copy with labels, confidences and label sets. The TabNet term is switched
on by hand, so that the whole network is timed. The peer reads the file into memory, normalises it
and asks a logistic regression of scikit-learn. Each runs in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata
import numpy as np
from make_cells import make_cells

import sctabnet as sct

# after exec a process starts its own count of memory, unlike what its parent is told about it
PEAK = """
lines = open("/proc/self/status").read().splitlines()
print("peak", next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM")))
"""
OURS = """
import sys
from sctabnet.cli.main import main
code = main(sys.argv[1:])
if code:
    raise SystemExit(code)
"""
PEER = """
import sys, warnings
import anndata, numpy as np, scanpy as sc
from sklearn.linear_model import LogisticRegression
warnings.simplefilter("ignore")
def read(path):
    adata = anndata.read_h5ad(path)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata
reference = read(sys.argv[1])
model = LogisticRegression(max_iter=30).fit(reference.X, reference.obs["cell_type"])
import time
started = time.perf_counter()
query = read(sys.argv[2])
probability = model.predict_proba(query.X)
query.obs["label"] = model.classes_[probability.argmax(1)]
query.obs["confidence"] = probability.max(1)
query.write_h5ad(sys.argv[3])
print(time.perf_counter() - started)
"""


def main() -> None:
    """Make the files, run both, print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--expressed", type=int, default=1450)
    parser.add_argument("--types", type=int, default=20)
    parser.add_argument("--out", default="workflows/benchmarks/results")
    options = parser.parse_args()
    sct.settings.progress_bar = False
    with tempfile.TemporaryDirectory() as folder:
        text = judged(options, Path(folder))
    print(text)
    stem = f"{time.strftime('%Y-%m-%d')}_annotate_speed"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n{text}\n")


def judged(options: argparse.Namespace, folder: Path) -> str:
    """Return the table."""
    reference = cells(options, 2000, seed=1)
    reference.obs["cell_type"] = np.array([f"t{i % options.types}" for i in range(2000)])
    reference.write_h5ad(folder / "reference.h5ad")
    cells(options, options.cells, seed=2).write_h5ad(folder / "query.h5ad")
    size = (folder / "query.h5ad").stat().st_size
    model = sct.finetune(reference, labels_key="cell_type", max_epochs=1)
    model.network.labels.gate.data.fill_(0.5)
    model.save(folder / "model")
    ours = [sys.executable, "-c", OURS + PEAK, "annotate", str(folder / "query.h5ad")]
    ours += ["--model", str(folder / "model"), "--out", str(folder / "out.h5ad")]
    peer = [sys.executable, "-c", PEER + PEAK, str(folder / "reference.h5ad")]
    peer += [str(folder / "query.h5ad"), str(folder / "peer.h5ad")]
    lines = [
        f"{options.cells:,} cells x {options.genes:,} genes, {size / 2**30:.2f} GB on disk; "
        f"{len(os.sched_getaffinity(0))} cores, load before {os.getloadavg()[0]:.1f}.",
        "",
        "| arm | wall s | CPU s | peak GB |",
        "|---|---|---|---|",
    ]
    for name, command in (("sctabnet annotate", ours), ("regression, in memory", peer)):
        wall, cpu, said = run(command)
        peak = float(said.split()[-1])
        if command is peer:  # without its training
            wall = float(said.split()[-3])
        lines.append(f"| {name} | {wall:.1f} | {cpu:.1f} | {peak:.2f} |")
    note = (
        "Our wall seconds include the start of Python and all imports. The peer's leave out these "
        "and its training, which its CPU seconds and memory include."
    )
    return "\n".join([*lines, "", note])


def cells(options: argparse.Namespace, n_cells: int, seed: int) -> anndata.AnnData:
    """Return random cells with the same genes for every seed."""
    adata = anndata.AnnData(make_cells(n_cells, options.genes, options.expressed, seed))
    adata.var_names = [f"gene{i}" for i in range(options.genes)]
    return adata


def run(command: list[str]) -> tuple[float, float, str]:
    """Return wall seconds, CPU seconds and what a process printed."""
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, done.stdout


if __name__ == "__main__":
    main()
