"""Are batches mixed and cell types kept? Embeddings of several batches, scored side by side.

    python workflows/benchmarks/integration.py DATA.h5ad --batch-key batch --labels-key cell_type

Arms: principal components without integration, Harmony, scVI and scANVI (skipped with a notice
where not installed), sctabnet without labels (`pretrain`) and with them (`finetune`; scANVI sees
the same labels). Every arm has one configuration for all data. PCA, Harmony, scVI and scANVI get
the 2,000 genes that vary most, sctabnet all genes. Scores are those of
`sct.evaluate.integration`; the first seed of every arm is scored by scib-metrics too, where it is
installed. ``--drop COLUMN=VALUE`` leaves cells out, doublets for instance. ``--max-epochs``
shortens our training: the embedding without labels does not depend on it, the other a little.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scanpy as sc

import sctabnet as sct

BASELINES = {"Harmony": "harmonypy", "scVI": "scvi", "scANVI": "scvi"}


def main() -> None:
    """Parse the arguments, make every embedding, score all, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--batch-key", required=True)
    parser.add_argument("--labels-key", required=True)
    parser.add_argument("--drop", help="COLUMN=VALUE of cells to leave out")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-epochs", type=int, help="of our training; its default if not given")
    parser.add_argument("--skip", nargs="*", default=[], help="baselines to leave out")
    parser.add_argument("--out", default="workflows/benchmarks/results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sct.settings.progress_bar = False
    adata = _read(options)
    rows = []
    for arm, seed, embedding, seconds in _embeddings(adata, options):
        adata.obsm["scored"] = embedding
        row = {"arm": arm, "seed": seed}
        row |= sct.evaluate.integration(
            adata,
            embedding="scored",
            batch_key="benchmark_batch",
            labels_key="benchmark_label",
            unintegrated="X_pca",
        )
        row["scib"] = _scib_metrics(adata) if seed == 0 else np.nan
        rows.append(row | {"seconds": seconds})
        print(
            arm, seed, {k: round(row[k], 3) for k in ("bio", "batch", "total", "scib")}, flush=True
        )
    _write(pd.DataFrame(rows), options)


def _read(options: argparse.Namespace) -> anndata.AnnData:
    adata = sc.read_h5ad(options.data)
    if options.drop:
        column, value = options.drop.split("=", 1)
        adata = adata[adata.obs[column].astype(str) != value].copy()
    adata.obs["benchmark_batch"] = pd.Categorical(adata.obs[options.batch_key].astype(str))
    adata.obs["benchmark_label"] = pd.Categorical(adata.obs[options.labels_key].astype(str))
    plain = adata.copy()
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    sc.pp.highly_variable_genes(
        plain, n_top_genes=min(2000, plain.n_vars), batch_key="benchmark_batch"
    )
    adata.var["variable"] = plain.var["highly_variable"]
    plain = plain[:, plain.var["highly_variable"]].copy()
    sc.pp.pca(plain, n_comps=50)
    adata.obsm["X_pca"] = plain.obsm["X_pca"]
    return adata


def _embeddings(
    adata: anndata.AnnData, options: argparse.Namespace
) -> Iterator[tuple[str, int, np.ndarray, float]]:
    yield "PCA", 0, adata.obsm["X_pca"], 0.0
    arms: dict[str, Callable[[int], np.ndarray]] = {
        "Harmony": lambda seed: _harmony(adata, seed),
        "scVI": lambda seed: _scvi(adata, seed, labels=False),
        "scANVI": lambda seed: _scvi(adata, seed, labels=True),
        "sctabnet, no labels": lambda seed: _sctabnet(adata, seed, options, labels=False),
        "sctabnet, labels": lambda seed: _sctabnet(adata, seed, options, labels=True),
    }
    for arm, embed in arms.items():
        if arm in options.skip or (arm in BASELINES and find_spec(BASELINES[arm]) is None):
            print(f"{arm} is left out: asked for, or {BASELINES[arm]} is not installed")
            continue
        # the slow baselines once: their spread over seeds is not what is asked
        for seed in range(1 if arm in BASELINES else options.seeds):
            start = time.perf_counter()
            yield arm, seed, embed(seed), time.perf_counter() - start


def _harmony(adata: anndata.AnnData, seed: int) -> np.ndarray:
    import harmonypy

    found = np.asarray(
        harmonypy.run_harmony(
            adata.obsm["X_pca"], adata.obs, "benchmark_batch", random_state=seed, verbose=False
        ).Z_corr
    )
    return found if len(found) == adata.n_obs else found.T


def _scvi(adata: anndata.AnnData, seed: int, *, labels: bool) -> np.ndarray:
    import scvi

    scvi.settings.seed = seed
    chosen = adata[:, adata.var["variable"]].copy()
    scvi.model.SCVI.setup_anndata(chosen, batch_key="benchmark_batch")
    model = scvi.model.SCVI(chosen, n_layers=2, n_latent=30, gene_likelihood="nb")
    model.train(accelerator="cpu", enable_progress_bar=False)
    if labels:
        model = scvi.model.SCANVI.from_scvi_model(
            model, labels_key="benchmark_label", unlabeled_category="unlabelled"
        )
        model.train(max_epochs=20, accelerator="cpu", enable_progress_bar=False)
    return model.get_latent_representation()


def _sctabnet(
    adata: anndata.AnnData, seed: int, options: argparse.Namespace, *, labels: bool
) -> np.ndarray:
    config = {} if options.max_epochs is None else {"max_epochs": options.max_epochs}
    if labels:
        model = sct.finetune(
            adata, labels_key="benchmark_label", batch_key="benchmark_batch", seed=seed, **config
        )
    else:
        model = sct.pretrain(adata, batch_key="benchmark_batch", seed=seed, **config)
    return sct.tl.embed(adata, model, copy=True).obsm["X_sctabnet"]


def _scib_metrics(adata: anndata.AnnData) -> float:
    if find_spec("scib_metrics") is None:
        return float("nan")
    from scib_metrics.benchmark import Benchmarker

    asked = anndata.AnnData(np.zeros((adata.n_obs, 1), dtype=np.float32), obs=adata.obs)
    asked.obsm["before"] = adata.obsm["X_pca"]
    asked.obsm["scored"] = np.asarray(adata.obsm["scored"], dtype=np.float32)
    oracle = Benchmarker(
        asked, "benchmark_batch", "benchmark_label", ["scored"],
        pre_integrated_embedding_obsm_key="before", progress_bar=False,
    )  # fmt: skip
    oracle.benchmark()
    return float(oracle.get_results().loc["scored", "Total"])


def _write(table: pd.DataFrame, options: argparse.Namespace) -> None:
    means = table.drop(columns="seed").groupby("arm", sort=False).mean()
    means.insert(0, "seeds", table.groupby("arm", sort=False)["seed"].count())
    means["sd of total"] = table.groupby("arm", sort=False)["total"].std()
    means = means.sort_values("total", ascending=False)
    print(means.round(3).to_string())
    lines = ["| arm | " + " | ".join(means.columns) + " |", "|---" * (len(means.columns) + 1) + "|"]
    for arm, row in means.iterrows():
        cells = [f"{v:.3f}" if name not in ("seeds", "seconds") else f"{v:.0f}"
                 for name, v in row.items()]  # fmt: skip
        lines.append(f"| {arm} | " + " | ".join(cells).replace("nan", "") + " |")
    stem = f"{time.strftime('%Y-%m-%d')}_integration_{Path(options.data).stem}"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(out / f"{stem}.csv", index=False)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    axes.scatter(means["batch"], means["bio"])
    axes.margins(0.3, 0.1)  # room for the names
    for arm, row in means.iterrows():
        axes.annotate(
            arm, (row["batch"], row["bio"]), (0, 4), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    axes.set(xlabel="batches mixed", ylabel="cell types kept", title=Path(options.data).stem)
    figure.savefig(out / f"{stem}.png", dpi=120)


if __name__ == "__main__":
    main()
