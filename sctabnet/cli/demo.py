from __future__ import annotations

import time
from pathlib import Path

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.model_selection import train_test_split

from sctabnet import _checks, evaluate, get, pl, tl
from sctabnet.cli._baselines import baseline_labels
from sctabnet.cli._files import read_h5ad, write_h5ad
from sctabnet.train.finetune import finetune
from sctabnet.train.pretrain import pretrain

SHIPPED = ("bulk_labels", "raw")


def demo(
    data: str | None = None,
    labels_key: str | None = None,
    layer: str | None = None,
    out: str = "demo",
    seed: int = 0,
) -> None:
    """Show the whole road on real blood cells: pretrain, learn labels, transfer them, rank genes.

    Args:
        data: File (.h5ad) with labelled cells; 700 blood cells that ship with scanpy if not given.
        labels_key: Column of .obs with the cell types, for a file of your own.
        layer: Layer to read; "raw" for .raw; X if not given.
        out: Folder to write to.
        seed: Seed of the split and of the model.
    """
    started = time.perf_counter()
    if data is None:
        adata = sc.datasets.pbmc68k_reduced()
        labels_key, layer = SHIPPED
    else:
        adata = read_h5ad(data)
        if labels_key is None:
            msg = (
                "labels_key was not given. Name the column of .obs with the cell types: "
                f"--labels-key NAME. Found: {list(adata.obs.columns)}."
            )
            raise ValueError(msg)
    _checks.check_writable(out)
    _checks.check_obs_key(adata.obs.columns, labels_key, argument="labels_key")
    _checks.check_classes(sorted(set(adata.obs[labels_key].dropna())), labels_key)
    _checks.check_layer(adata, layer)
    folder = Path(out)
    plt.switch_backend("agg")  # the pictures go to files: no screen is needed
    reference, query, truth = _split(adata, labels_key, seed)

    print(f"1/4 pretrain on {reference.n_obs} cells without their labels")
    pretrained = pretrain(reference, layer=layer, seed=seed, max_epochs=20)
    print("2/4 learn the labels")
    model = finetune(reference, init=pretrained, labels_key=labels_key, layer=layer, seed=seed)
    print(f"3/4 transfer them onto {query.n_obs} held-out cells")
    tl.transfer_labels(query, model, layer=layer, coverage=0.9, overwrite=True)
    tl.embed(query, model, layer=layer)
    print("4/4 rank genes")
    tl.gene_importance(query, model, layer=layer)

    query.obs[labels_key] = truth.array
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model", overwrite=True)
    write_h5ad(query, folder / "annotated.h5ad")
    for name, axes in (
        ("genes.png", pl.importance_heatmap(query)),
        ("labels.png", pl.confusion(query, labels_key)),
    ):
        figure = axes.get_figure(root=True)
        assert figure is not None, "the plots make their own figure"
        figure.savefig(folder / name, dpi=150)
        plt.close(figure)
    _report(reference, query, labels_key, layer)
    for name in ("annotated.h5ad", "model/", "genes.png", "labels.png"):
        print(f"wrote {folder / name}")
    print(f"{time.perf_counter() - started:.0f} s")


def _split(
    adata: anndata.AnnData, labels_key: str, seed: int
) -> tuple[anndata.AnnData, anndata.AnnData, pd.Series]:
    """Return 70 % of the cells, the other 30 % without their labels, and those labels."""
    adata = adata[adata.obs[labels_key].notna()]
    labels = adata.obs[labels_key].astype(str)
    # a label of one cell cannot be on both sides: it stays on the training side
    common = labels.map(labels.value_counts()) >= 2
    positions = np.flatnonzero(common)
    train, test = train_test_split(
        positions, test_size=0.3, stratify=labels[common], random_state=seed
    )
    train = np.sort(np.concatenate([train, np.flatnonzero(~common)]))
    query = adata[np.sort(test)].copy()
    truth = query.obs.pop(labels_key)
    return adata[train].copy(), query, truth


def _report(
    reference: anndata.AnnData,
    query: anndata.AnnData,
    labels_key: str,
    layer: str | None,
) -> None:
    """Print scores beside the baselines on the same split, then genes of the largest types."""
    truth = query.obs[labels_key].astype(str)
    known = reference.obs[labels_key].to_numpy(dtype=str)
    baselines = baseline_labels(reference, query, known, groups=None, layer=layer)
    predictions = {"sctabnet": query.obs["sctabnet_label"]}
    predictions |= {name: labels for name, (labels, _) in baselines.items()}
    print(f"\n{'on ' + str(query.n_obs) + ' held-out cells':24} macro-F1  accuracy")
    for name, predicted in predictions.items():
        score = evaluate.labels(list(truth), list(predicted))
        print(f"{name:24} {score['macro_f1']:8.3f} {score['accuracy']:9.3f}")
    print()
    genes = get.importance_df(query, n_genes=6).groupby("group", sort=False)["gene"].agg(list)
    largest = query.obs["sctabnet_label"].value_counts().index
    for name in [name for name in largest if name in genes.index][:3]:
        print(f"{name}: {', '.join(genes[name])}")
    print()
