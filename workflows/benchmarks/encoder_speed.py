"""Speed and memory of the gene-token TabNet, of the dense TabNet and of pytorch-tabnet 4.1.

    python workflows/benchmarks/encoder_speed.py ratios
    python workflows/benchmarks/encoder_speed.py widths
    python workflows/benchmarks/encoder_speed.py parts --steps 3
    python workflows/benchmarks/encoder_speed.py support DATA.h5ad --labels-key cell_type

All arms have scTab's shape: n_d 128, n_a 64, 3 shared and 5 step-wise GLU layers, entmax, one step
unless said otherwise.  Cells are simulated with few genes in most cells and most genes in few, as
real ones are.  The gene-token arms start from the minibatch of raw counts; the dense arms are
given their normalised matrix for free.  Arms alternate within one run, so that their ratio
survives a busy machine; every figure is a median with its lowest and highest value.  Attention
logits are scaled so that the mean support is that of a trained model (``support`` measures it).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from encoder_arms import ARMS, BASE, PARTS, Arm, simulate, trained_support

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Parse the arguments and run one of the jobs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("job", choices=["ratios", "widths", "parts", "support", "one"])
    parser.add_argument("data", nargs="?", help="h5ad with labels, for `support`")
    parser.add_argument("--labels-key", default="cell_type")
    parser.add_argument("--cells", type=int, default=2048)
    parser.add_argument("--genes", type=int, nargs="+", default=None)
    parser.add_argument("--expressed", type=int, nargs="+", default=[1500])
    parser.add_argument("--steps", type=int, nargs="+", default=[1])
    parser.add_argument("--support", type=float, default=20.0, help="genes per trained mask")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", default=None, choices=sorted(ARMS))
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.job == "support":
        print(f"mean support after training: {trained_support(options):.1f} genes per cell")
    elif options.job == "one":
        print(peak_memory(options))
    else:
        run(options)


def timed(function: Callable[[], None]) -> tuple[float, float]:
    """Return wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def run(options: argparse.Namespace) -> None:
    """Time all arms in turn, print and write one row per arm, width and job."""
    widths = options.genes or ([1000, 5000, 19331, 60000] if options.job == "widths" else [19331])
    by_job = {
        "ratios": [name for name in ARMS if name not in PARTS],
        "widths": [BASE, "dense"],
        "parts": [BASE, *PARTS],
    }
    names = options.arms or by_job[options.job]
    rows = []
    for n_genes in widths:
        for n_expressed in (e for e in options.expressed if e <= n_genes // 2):
            for n_steps in options.steps:
                rows += compare(options, names, n_genes, n_expressed, n_steps)
    table = pd.DataFrame(rows)
    RESULTS.mkdir(exist_ok=True)
    stem = RESULTS / f"{options.date}_encoder_speed_{options.job}"
    table.to_csv(stem.with_suffix(".csv"), index=False)
    stem.with_suffix(".md").write_text(describe() + "\n" + markdown(table))
    if options.job == "widths":
        plot(table, stem.with_suffix(".png"))
    print(f"wrote {stem}.csv and .md", flush=True)


def compare(
    options: argparse.Namespace, names: list[str], n_genes: int, n_expressed: int, n_steps: int
) -> list[dict[str, object]]:
    """Alternate the arms for some rounds at one shape."""
    minibatch = simulate(options.cells, n_genes, n_expressed)
    # beyond this the dense network no longer fits into memory beside the others
    fits = [name for name in names if n_genes <= 20_000 or name.startswith(BASE)]
    arms = [Arm(name, minibatch, n_steps, options.support) for name in fits]
    seconds: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for turn in range(options.rounds + 1):
        for arm in arms:
            for job in ("train", "infer"):
                spent = timed(getattr(arm, job))
                if turn > 0:  # the first turn compiles and allocates
                    seconds.setdefault((arm.name, job), []).append(spent)
    rows = []
    for arm in arms:
        memory = measure_memory(options, arm.name, n_genes, n_expressed, n_steps)
        for job in ("train", "infer"):
            wall, cpu = np.array(seconds[arm.name, job]).T
            base_wall, base_cpu = np.array(seconds.get((BASE, job), seconds[arm.name, job])).T
            row: dict[str, object] = {
                "genes": n_genes,
                "expressed": n_expressed,
                "steps": n_steps,
                "arm": arm.name,
                "job": job,
                "cells_per_wall_s": round(options.cells / np.median(wall)),
                "cells_per_cpu_s": round(options.cells / np.median(cpu)),
                "times_slower_wall": spread(wall / base_wall),
                "times_slower_cpu": spread(cpu / base_cpu),
                "step_memory_mib": memory if job == "train" else float("nan"),
                "support": round(arm.support, 1),
                "load": round(os.getloadavg()[0], 1),
            }
            print(row, flush=True)
            rows.append(row)
    return rows


def spread(ratio: np.ndarray) -> str:
    """Write the median with the lowest and the highest value."""
    return f"{np.median(ratio):.2f} ({ratio.min():.2f}-{ratio.max():.2f})"


def measure_memory(
    options: argparse.Namespace, arm: str, n_genes: int, n_expressed: int, n_steps: int
) -> float:
    """Ask a process of its own for the peak memory of training steps, in MiB."""
    command = [sys.executable, __file__, "one", "--arms", arm, "--cells", str(options.cells)]
    command += ["--genes", str(n_genes), "--expressed", str(n_expressed), "--steps", str(n_steps)]
    command += ["--threads", str(options.threads)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return round(float(found.stdout.split()[-1]))


def peak_memory(options: argparse.Namespace) -> float:
    """Return what two training steps need above the loaded libraries and the input, in MiB."""
    shape = options.cells, options.genes[0], options.expressed[0]
    warm = Arm(options.arms[0], simulate(8, 64, 16), options.steps[0], options.support)
    warm.train()  # libraries and compiled kernels belong to no step
    minibatch = simulate(*shape)
    # the peak before now (of the parent process, of simulating) is forgotten
    Path("/proc/self/clear_refs").write_text("5")
    before = status_mib("VmRSS")
    arm = Arm(options.arms[0], minibatch, options.steps[0], options.support)
    arm.train()
    arm.train()
    return status_mib("VmHWM") - before


def status_mib(field: str) -> float:
    """Read a memory figure of this process from the kernel (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def describe() -> str:
    """Say what was measured and on what."""
    return (
        f"Command: `python {' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`; torch "
        f"{torch.__version__}, {torch.get_num_threads()} threads. `times_slower` is an arm's time "
        f"over that of {BASE!r} in the same round: median (lowest-highest). `load` is the "
        "machine's load average, and means other work beside this run where it exceeds the "
        "number of threads: trust the ratios then, CPU seconds before wall seconds.\n"
    )


def markdown(table: pd.DataFrame) -> str:
    """Write a data frame as a Markdown table."""
    lines = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def plot(table: pd.DataFrame, path: Path) -> None:
    """Draw CPU time per cell against the number of genes, at a fixed number expressed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
    for axis, job in zip(axes, ("train", "infer"), strict=True):
        for arm, part in table[table["job"] == job].groupby("arm", sort=False):
            axis.plot(part["genes"], 1e3 / part["cells_per_cpu_s"], "o-", label=arm)
        axis.set(xscale="log", yscale="log", xlabel="genes", title=job)
        widths = sorted(table["genes"].unique())
        axis.set_xticks(widths, [f"{n:,}" for n in widths])
        axis.set_xticks([], minor=True)
    axes[0].set_ylabel("CPU ms per cell")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
