"""Train on random uneven files in several processes: no job may hang, lose or repeat a cell.

    python workflows/benchmarks/uneven.py --jobs 50

Each job is `sctabnet.pretrain` in two or three gloo processes, set up as torchrun does, on one to
four files of 3 to 200 cells with unequal genes: fewer cells than a minibatch, files smaller than
the number of processes, an odd last minibatch. It must end within a minute; in every epoch each
training cell is seen exactly once over all processes, all make equally many steps, and all hold
the same weights at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import sctabnet as sct
from sctabnet.data.epoch_loader import EpochLoader
from sctabnet.data.simulate import simulate_atlas
from sctabnet.train.held_out_cells import held_out_cells

LIMIT = 60.0  # seconds, after which a job counts as hanging
EPOCHS = 2
MODEL = {"n_d": 8, "n_a": 8, "n_steps": 1, "max_epochs": EPOCHS, "ghost_size": 8}


def process(files: list[str], minibatch: int, rank: int, world: int, port: int, out: Path) -> None:
    """Train as one process of a job, and note the rows of every training step."""
    os.environ |= {
        "LOCAL_RANK": str(rank), "RANK": str(rank), "GROUP_RANK": "0", "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "uneven",
    }  # fmt: skip
    epochs: list[list[list[int]]] = []
    iterate = EpochLoader.__iter__

    def noted(self: EpochLoader):
        steps: list[list[int]] = []
        if self._reshuffle:  # training
            epochs.append(steps)
        for minibatch in iterate(self):
            steps.append(minibatch.row_ids[minibatch.weights > 0].tolist())
            yield minibatch

    EpochLoader.__iter__ = noted
    model = sct.pretrain(files, minibatch_size=minibatch, accelerator="cpu", devices=world, **MODEL)
    (out / f"{rank}.json").write_text(json.dumps({"epochs": epochs, "weights": model.digest()}))


def start(*arguments) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
        process(*arguments)
        status = 0
    except BaseException as error:  # the parent sees the exit status only
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    os._exit(status)


def job(root: Path, rng: random.Random) -> tuple[str, str]:
    """Run one random job; return what it was, and what was wrong with it."""
    world, n_files = rng.choice([2, 2, 3]), rng.randint(1, 4)
    minibatch = world * rng.choice([4, 8, 16, 33])
    sizes = [rng.randint(3, 200) for _ in range(n_files)]
    if sum(sizes) < 20:
        sizes[0] += 20
    files = []
    for number, n in enumerate(sizes):
        cells = simulate_atlas(n, 60, n_types=2, random_state=rng.randrange(10**6))
        kept = np.sort(np.random.default_rng(number).permutation(60)[: rng.randint(40, 60)])
        files.append(str(root / f"{number}.h5ad"))
        cells[:, kept].copy().write_h5ad(files[-1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [start(files, minibatch, rank, world, port, root) for rank in range(world)]
    what = f"{world} processes, minibatches of {minibatch}, files of {sizes} cells"
    before = time.monotonic()
    failed = []
    while children and time.monotonic() - before < LIMIT:
        for child in list(children):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                children.remove(child)
                failed += [status] if status else []
        time.sleep(0.02)
    for child in children:
        os.kill(child, 9)
        os.waitpid(child, 0)
    if children or failed:
        return what, "hangs" if children else "fails"
    train = held_out_cells(sum(sizes), None, share=0.1, seed=0)[0].tolist()
    return what, wrong([json.loads((root / f"{r}.json").read_text()) for r in range(world)], train)


def wrong(found: list[dict], train: list[int]) -> str:
    if len({len(steps) for rank in found for steps in rank["epochs"]}) > 1:
        return "unequal steps"
    if any(len(rank["epochs"]) != EPOCHS for rank in found):
        return "unequal epochs"
    for epoch in range(EPOCHS):
        seen = [row for rank in found for step in rank["epochs"][epoch] for row in step]
        if sorted(seen) != train:
            return "cells lost or repeated"
    if len({rank["weights"] for rank in found}) > 1:
        return "different weights"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sct.settings.progress_bar = False
    rng = random.Random(arguments.seed)
    sct.pretrain(simulate_atlas(60, 60, n_types=2), accelerator="cpu", **MODEL)  # compiles kernels
    seconds, bad = [], 0
    for number in range(arguments.jobs):
        before = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            what, found = job(Path(scratch), rng)
        seconds.append(time.perf_counter() - before)
        bad += bool(found)
        print(f"{number:3} {found or 'right':8} {seconds[-1]:5.1f} s  {what}", flush=True)
    print(
        f"{arguments.jobs - bad} of {arguments.jobs} jobs ended, with every cell once an epoch, "
        f"equally many steps and equal weights; longest {max(seconds):.1f} s"
    )
    return bad > 0


if __name__ == "__main__":
    raise SystemExit(main())
