"""Two processes against one, and what 100 million cells would take.

    python workflows/benchmarks/scaling.py [--out results.md]

1. Pretrains on one and on two gloo processes of this machine, the same generated cells, in float32
   and float64: largest difference of any weight or buffer, optimiser steps, bytes that each process
   read while training.
2. Measures what a projection needs: seconds of a step as a + b n for n cells, cells per second that
   the loader delivers, bytes that a gradient all-reduce moves, how long a checkpoint stalls it.
3. Projects an epoch over N cells on W devices with minibatches of B cells:

       T = N / B * ( max(a + b B / W,  B / (W r)) + 2 (W - 1) / W * V / beta )

   r cells per second and process, V bytes of gradients (4 per parameter, ring all-reduce, nothing
   hidden behind the backward pass), beta bytes per second of the slowest link. It is an upper bound
   for communication and assumes disks that serve W processes as well as one.

Where there is a CUDA device, the step is measured on it; else on this CPU, and the figures are of
one core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import anndata as ad
import numpy as np
import torch
from make_cells import make_cells
from safetensors.torch import load_file

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.data.epoch_loader import EpochLoader
from sctabnet.data.simulate import simulate_atlas
from sctabnet.train import pretrain as pretrain_module
from sctabnet.train.fit import fit
from sctabnet.train.save_checkpoints import SaveCheckpoints

# cells with types, for equality: on pure noise Adam turns any rounding into another model
N_TYPED, N_TYPED_GENES = 2_001, 300
N_CELLS, N_GENES, N_EXPRESSED = 4_001, 3_000, 400
OPTIONS = {"n_d": 32, "n_a": 32, "max_epochs": 2, "minibatch_size": 256, "ghost_size": 128}
CELLS = 100_000_000
DEVICES = (1, 2, 8, 16, 64, 128)


def bytes_read() -> int:
    with Path("/proc/self/io").open() as file:
        return int(file.readline().split()[1])


def worker(cells: Path, folder: Path, devices: int, precision: str) -> None:
    """Train, and leave weights and the figures of every process in ``folder``."""
    torch.set_num_threads(1)
    sct.settings.progress_bar = False
    figures: dict[str, float] = {}
    stalls = []
    save = SaveCheckpoints._save

    def timed_save(self, trainer):
        before = time.perf_counter()
        save(self, trainer)
        stalls.append(time.perf_counter() - before)
        figures["steps"] = trainer.global_step

    def counted_fit(*args, **keywords):
        before, start = bytes_read(), time.perf_counter()
        result = fit(*args, **keywords)
        figures["bytes"] = bytes_read() - before
        figures["seconds"] = time.perf_counter() - start
        return result

    SaveCheckpoints._save, pretrain_module.fit = timed_save, counted_fit
    run = folder / "run"
    sct.pretrain(
        cells,
        run=run,
        accelerator="cpu",
        devices=devices,
        precision=precision,
        checkpoint_every=1000,
        learning_rate=1e-3,
        **OPTIONS,
    )
    figures["stall"] = float(np.median(stalls))
    rank = os.environ.get("LOCAL_RANK", "0")
    (folder / f"rank{rank}.json").write_text(json.dumps(figures))


def compare(cells: Path, root: Path, precision: str) -> list[str]:
    found = {}
    for devices in (1, 2):
        folder = root / f"{precision}-{devices}"
        folder.mkdir()
        command = [sys.executable, "-W", "ignore", __file__, "--worker", str(cells), str(folder)]
        subprocess.run([*command, str(devices), precision], check=True)
        weights = load_file(folder / "run" / "model" / "model.safetensors")
        loss = sct.Model.load(folder / "run" / "model").history[-1]["val_loss"]
        ranks = [json.loads(path.read_text()) for path in sorted(folder.glob("rank*.json"))]
        found[devices] = weights, ranks, loss
    (one, [alone], loss_one), (two, both, loss_two) = found[1], found[2]
    worst = max(float((one[name] - two[name]).abs().max()) for name in one)
    stalled = alone["stall"] / 200 / (alone["seconds"] / alone["steps"])
    # every process reads the file's index; the first one reads its checkpoint back as well
    return [
        f"{precision}: largest difference of a weight or buffer {worst:.1e}; validation loss "
        f"{loss_one:.9f} and {loss_two:.9f}; {alone['steps']:.0f} steps on one, "
        f"{[int(r['steps']) for r in both]} on two processes; {alone['seconds']:.1f} s on one, "
        f"{both[0]['seconds']:.1f} s on two",
        f"{precision}: read while training {alone['bytes'] / 1e6:.1f} MB by one, "
        f"{' + '.join(format(r['bytes'] / 1e6, '.1f') for r in both)} MB by two processes; a "
        f"checkpoint holds training up for {alone['stall'] * 1e3:.1f} ms (median), at one in 200 "
        f"steps {stalled:.3%} of the time",
    ]


def step_seconds(corpus: Corpus, model: sct.Model, n_cells: int, device: str) -> float:
    network = model.network.to(device).train()
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    minibatch = corpus.take(np.arange(n_cells)).to(device)
    seconds = []
    for step in range(8):
        if device == "cuda":
            torch.cuda.synchronize()
        before = time.perf_counter()
        loss, *_ = network.reconstruction_loss(minibatch, seed=0, epoch=step)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - before)
    return float(np.median(seconds[2:]))


def loader_rate(corpus: Corpus) -> float:
    loader = EpochLoader(corpus, minibatch_size=1024)
    rates = []
    for _ in range(4):
        before = time.perf_counter()
        n = sum(len(minibatch) for minibatch in loader)
        rates.append(n / (time.perf_counter() - before))
    return float(np.median(rates))


def project(a: float, b: float, rate: float, volume: float, minibatch: int, beta: float) -> list:
    rows = []
    for w in DEVICES:
        compute, data = a + b * minibatch / w, minibatch / (w * rate)
        reduce = 2 * (w - 1) / w * volume / beta
        epoch = CELLS / minibatch * (max(compute, data) + reduce)
        rows.append((w, compute, data, reduce, epoch / 3600))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--minibatch", type=int, default=16_384)
    parser.add_argument("--bandwidth", type=float, default=12.5e9, help="bytes per second")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.worker:
        cells, folder, devices, precision = arguments.worker
        worker(Path(cells), Path(folder), int(devices), precision)
        return
    torch.set_num_threads(1)
    sct.settings.progress_bar = False
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "one core of this CPU"
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        matrix = make_cells(N_CELLS, N_GENES, N_EXPRESSED)
        ad.AnnData(matrix).write_h5ad(root / "cells.h5ad")
        simulate_atlas(N_TYPED, N_TYPED_GENES, n_types=5).write_h5ad(root / "typed.h5ad")
        lines = [
            line
            for precision in ("32-true", "64-true")
            for line in compare(root / "typed.h5ad", root, precision)
        ]
        corpus = Corpus.open(root / "cells.h5ad")
        model = sct.pretrain(root / "cells.h5ad", **(OPTIONS | {"max_epochs": 1}))
        small, large = 256, 2048
        t_small, t_large = (step_seconds(corpus, model, n, device) for n in (small, large))
        rate = loader_rate(corpus)
    b = (t_large - t_small) / (large - small)
    a = max(0.0, t_small - b * small)
    volume = 4 * sum(p.numel() for p in model.network.parameters())
    lines += [
        f"a step on {name}: {a * 1e3:.1f} ms + {b * 1e6:.1f} us per cell "
        f"(measured at {small} and {large} cells)",
        f"the loader delivers {rate:,.0f} cells per second and process",
        f"an all-reduce moves {volume / 1e6:.1f} MB of gradients",
    ]
    text = (
        f"# Scaling\n\nEquality: {N_TYPED:,} simulated cells x {N_TYPED_GENES} genes. Speed: "
        f"{N_CELLS:,} generated cells x {N_GENES:,} genes, {N_EXPRESSED} expressed. Load "
        f"{load:.1f} on 2 cores at the start.\n\n"
    ) + "".join(f"- {line}\n" for line in lines)
    text += (
        f"\nAn epoch over {CELLS:,} such cells, minibatches of {arguments.minibatch:,}, link of "
        f"{arguments.bandwidth / 1e9:g} GB/s, by\n"
        "`T = N/B (max(a + b B/W, B/(W r)) + 2 (W-1)/W V/beta)`:\n\n"
        "| devices W | compute, s | data, s | all-reduce, s | epoch, h |\n|---|---|---|---|---|\n"
    )
    rows = project(a, b, rate, volume, arguments.minibatch, arguments.bandwidth)
    text += "".join(f"| {w} | {c:.3f} | {d:.3f} | {r:.4f} | {h:.1f} |\n" for w, c, d, r, h in rows)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
