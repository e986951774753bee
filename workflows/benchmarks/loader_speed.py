"""Cells per second of the loader and of others, side by side on the same data.

    python workflows/benchmarks/loader_speed.py --out workflows/benchmarks/results

Every arm runs in a process of its own: one warm-up, then ``--repeats`` epochs (slow arms: a part of
one) of shuffled minibatches. Judge by cells per CPU-second (all threads of the process), which
other load on the machine disturbs less than the wall clock; the row "scipy rows in memory" is the
machine's own limit in the same run. AnnLoader comes with anndata; scDataset is measured where it is
installed (``pip install scDataset``).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from datetime import date
from pathlib import Path

import numpy as np
from loader_arms import ARMS, MINIBATCH

COLUMNS = ["arm", "data", "cells per CPU-s", "cells per s", "RSS added, MB", "load"]


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(arm: str, path: str, n_cells: int, repeats: int) -> dict[str, object]:
    """Run one arm in this process."""
    import anndata
    import numba  # noqa: F401 - what everyone imports is no cost of the loader
    import torch  # noqa: F401

    assert anndata.__version__
    warnings.simplefilter("ignore")
    before, peak, done = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    epoch = ARMS[arm](path)
    sum(epoch(0, min(n_cells, 20_000)))
    per_cpu, per_wall = [], []
    for number in range(1, repeats + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        n = sum(epoch(number, n_cells))
        per_cpu.append(n / (time.process_time() - cpu))
        per_wall.append(n / (time.perf_counter() - wall))
    done.set()
    watcher.join()
    return {
        "cells per CPU-s": round(float(np.median(per_cpu))),
        "cells per s": round(float(np.median(per_wall))),
        "RSS added, MB": round(peak[0] - before),
        "load": round(os.getloadavg()[0], 1),
    }


def write_data(folder: Path, n_cells: int, n_genes: int) -> dict[str, Path]:
    """Write the same cells in every format."""
    import anndata
    import pandas as pd
    from make_cells import make_cells

    from sctabnet.data.prepare import prepare

    x = make_cells(n_cells, n_genes, round(n_genes * 0.0725))
    var = pd.DataFrame(index=[f"G{i:05d}" for i in range(n_genes)])
    obs = pd.DataFrame(index=np.arange(n_cells).astype(str))
    adata = anndata.AnnData(x, obs=obs, var=var)
    files = {
        "h5ad": folder / "raw.h5ad",
        "h5ad, shuffled columns": folder / "shuffled.h5ad",
        "h5ad gzip": folder / "gzip.h5ad",
        "h5ad lzf": folder / "lzf.h5ad",
        "zarr": folder / "default.zarr",
        "prepared": folder / "prepared.zarr",
    }
    adata.write_h5ad(files["h5ad"])
    adata.write_h5ad(files["h5ad gzip"], compression="gzip")
    adata.write_h5ad(files["h5ad lzf"], compression="lzf")
    try:
        import hdf5plugin

        files["h5ad zstd"] = folder / "zstd.h5ad"
        adata.write_h5ad(
            files["h5ad zstd"],
            compression=hdf5plugin.FILTERS["zstd"],
            compression_opts=hdf5plugin.Zstd(clevel=3).filter_options,
        )
    except ImportError:
        pass
    adata.write_zarr(files["zarr"])
    names = np.array(var.index)[np.random.default_rng(0).permutation(n_genes)]
    adata.var_names = names
    adata.write_h5ad(files["h5ad, shuffled columns"])
    prepare(files["h5ad"], files["prepared"])
    return files


def plan_of(files: dict[str, Path], gasperini: Path) -> list[tuple[str, str, Path, int]]:
    """List (arm, data, path, cells); slow arms get fewer cells."""
    every = 10**9
    runs = [("sctabnet", data, path, every) for data, path in files.items()]
    runs += [
        ("sctabnet, 15,000 of the genes and 2,000 others", data, files[data], every)
        for data in ("h5ad", "prepared")
    ]
    runs += [
        ("h5py blocks + scipy", data, path, 20_000 if data == "h5ad gzip" else 50_000)
        for data, path in files.items()
        if path.suffix == ".h5ad" and data in ("h5ad", "h5ad gzip", "h5ad lzf")
    ]
    runs += [
        ("scipy rows in memory", "h5ad", files["h5ad"], every),
        ("AnnLoader, backed", "h5ad", files["h5ad"], 20_000),
        ("scDataset, backed", "h5ad", files["h5ad"], 50_000),
    ]
    if gasperini.exists():
        runs += [
            (arm, "gasperini_72k (264 genes, gzip)", gasperini, n)
            for arm, n in (
                ("sctabnet", every),
                ("h5py blocks + scipy", every),
                ("scipy rows in memory", every),
                ("AnnLoader, backed", 10_000),
            )
        ]
    return runs


def run_all(folder: Path, arguments: argparse.Namespace) -> list[dict[str, object]]:
    files = write_data(folder, arguments.n_cells, arguments.n_genes)
    os.sync()  # or the first arms share the machine with what is still being written
    root = Path(__file__).resolve().parents[2]
    gasperini = root.parent / "shared" / "data" / "gasperini_72k.h5ad"
    rows = []
    for arm, data, path, n_cells in plan_of(files, gasperini):
        command = [sys.executable, __file__, "--arm", arm, "--path", str(path)]
        command += ["--cells", str(n_cells), "--repeats", str(arguments.repeats)]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        child = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False
        )
        if child.returncode:
            reason = (child.stderr.strip().splitlines() or ["killed"])[-1]
            print(f"{arm} on {data}: not measured ({reason})")
            continue
        rows.append({"arm": arm, "data": data, **json.loads(child.stdout.splitlines()[-1])})
        print(" | ".join(str(rows[-1][column]) for column in COLUMNS), flush=True)
    sizes = {
        d: sum(f.stat().st_size for f in [p, *p.rglob("*")] if f.is_file())
        for d, p in files.items()
    }
    print({data: f"{size / 1e6:.0f} MB" for data, size in sizes.items()})
    return rows


def write_results(rows: list[dict[str, object]], out: Path, arguments: argparse.Namespace) -> None:
    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"{date.today().isoformat()}_loader_speed"
    with stem.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    lines = [
        "# Loader speed",
        "",
        f"{date.today().isoformat()}, {os.cpu_count()} logical cores ({platform.machine()}), "
        f"Python {platform.python_version()}; {arguments.n_cells:,} generated cells x "
        f"{arguments.n_genes:,} genes, about {round(arguments.n_genes * 0.0725):,} expressed; page "
        f"cache warm, one process, minibatch {MINIBATCH:,} (AnnLoader and scDataset 1,024), median "
        f"of {arguments.repeats}.",
        "Cells per CPU-second count all threads. With other work on the machine (load) every "
        'figure is lower; compare with "scipy rows in memory" of the same run.',
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---:|" * (len(COLUMNS) - 2),
    ]
    for row in rows:
        cells = [row[c] if isinstance(row[c], str) else f"{row[c]:,}" for c in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    stem.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print(f"wrote {stem}.md and .csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-cells", type=int, default=100_000)
    parser.add_argument("--n-genes", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write the data (default: temporary)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    parser.add_argument("--cells", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.arm:
        print(
            json.dumps(measure(arguments.arm, arguments.path, arguments.cells, arguments.repeats))
        )
        return
    sys.path.insert(0, str(Path(__file__).parent))
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    warnings.simplefilter("ignore")
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="loader_speed_"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        write_results(run_all(folder, arguments), arguments.out, arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
