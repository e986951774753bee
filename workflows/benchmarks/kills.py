"""Kill a pretraining job at random, resume it, and compare the result bit by bit.

    python workflows/benchmarks/kills.py --kills 100 --in-save 20

Every kill is SIGKILL to a process of its own: after a random time anywhere in the job, or
(``--in-save``) at a random point inside the writing of a checkpoint: with half of the tensors
written, before or after a flush, before or after a rename. Then the job is resumed to its end.
Weights, validation loss and metrics (but for timings) must equal those of a run nobody killed.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import sctabnet as sct
from sctabnet.data.simulate import simulate_atlas
from sctabnet.train.run_folder import RunFolder

OPTIONS = {
    "n_d": 8,
    "n_a": 8,
    "n_steps": 2,
    "max_epochs": 3,
    "minibatch_size": 32,
    "ghost_size": 32,
    "checkpoint_every": 2,
    "ema_decay": 0.9,
    "accelerator": "cpu",
}
TIMINGS = {"cells_per_s", "wait_share"}


def job(folder: Path, *, resume: bool) -> None:
    cells = simulate_atlas(200, 100, n_types=3)
    sct.pretrain(cells, batch_key="batch", run=folder, resume=resume, **OPTIONS)


def start(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked process, which needs no second import of torch."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException as error:  # the parent sees the exit status only
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    os._exit(status)


def outcome(folder: Path) -> tuple[str, list, list]:
    run = RunFolder(folder)
    model = sct.Model.load(run.model)
    with run.metrics.open(encoding="utf-8") as file:
        rows = [{k: v for k, v in row.items() if k not in TIMINGS} for row in csv.DictReader(file)]
    # lines with timings alone are left out with them
    rows = [row for row in rows if any(v for k, v in row.items() if k not in {"step", "epoch"})]
    return model.digest(), model.history, rows


def die_at(point: int) -> Callable[[], None]:
    """Patch this process so that it kills itself at the given point of its checkpoint writes."""
    passed = 0

    def reach() -> bool:
        nonlocal passed
        if threading.current_thread() is threading.main_thread():
            return False  # checkpoints are written by another thread
        passed += 1
        return passed == point

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    write, flush, rename = Path.write_bytes, os.fsync, Path.replace

    def write_half(self: Path, data: bytes) -> int:
        if reach():
            write(self, data[: len(data) // 2])
            die()
        return write(self, data)

    def around(call: Callable) -> Callable:
        def wrapped(*args):
            if reach():
                die()
            result = call(*args)
            if reach():
                die()
            return result

        return wrapped

    def patch() -> None:
        Path.write_bytes, os.fsync, Path.replace = write_half, around(flush), around(rename)

    return patch


def kill_once(folder: Path, rng: random.Random, seconds: float, *, in_save: bool) -> str:
    """Start the job, kill it, resume it; return how the first process ended."""
    if in_save:
        patch = die_at(rng.randrange(1, 90))

        def work() -> None:
            patch()
            job(folder, resume=False)

        child = start(work)
    else:
        child = start(lambda: job(folder, resume=False))
        time.sleep(rng.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    resume = (folder / "recipe.yaml").exists()
    _, status = os.waitpid(start(lambda: job(folder, resume=resume)), 0)
    if status:
        return "could not be resumed"
    return "killed" if killed else "ended before the kill"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--in-save", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sct.settings.progress_bar = False
    rng = random.Random(arguments.seed)
    wrong, ends = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        job(root / "warm", resume=False)  # compiles the kernels
        before = time.perf_counter()
        os.waitpid(start(lambda: job(root / "whole", resume=False)), 0)
        seconds = time.perf_counter() - before
        expected = outcome(root / "whole")
        assert expected == outcome(root / "warm"), "two runs without a kill differ"
        done = 0
        while done < arguments.kills:
            in_save = done < arguments.in_save
            folder = root / f"kill{done}-{sum(ends.values())}"
            end = kill_once(folder, rng, seconds, in_save=in_save)
            ends[end] = ends.get(end, 0) + 1
            same = end != "could not be resumed" and outcome(folder) == expected
            if not same:
                wrong.append(folder.name)
            done += end != "ended before the kill" or not same
    print(f"{len(expected[2])} lines of metrics, weights {expected[0][:16]}, {seconds:.2f} s a run")
    print(f"{ends}; of the kills {arguments.in_save} inside a save")
    print(f"{done - len(wrong)} of {done} killed runs resumed to the same bits {wrong or ''}")
    return len(wrong) > 0


if __name__ == "__main__":
    raise SystemExit(main())
