"""Predict hidden genes of a new library by masked pretraining, by means and by PCA.

    python workflows/benchmarks/pretraining.py ../shared/data --seeds 3

Trains on the PBMC files of a folder, whose gene panels differ, and predicts hidden genes of the
cells of one library (``pbmc_3p_v3``, a chemistry of its own) that is no part of any of them. Some
files share cells: each cell is used once, with the widest panel, and any training cell with the
barcode of a held-out cell is dropped. Every arm is asked for the same genes of the same cells: half
of a cell's expressed genes, and as many silent ones, weighted to stand for all that were hidden.

Baselines: each gene's mean rate; PCA of log1p values, from which a cell's scores are found by ridge
regression on its visible genes. Axes, ridge and floor are chosen on held-out training cells.
"""

from __future__ import annotations

import argparse
import itertools
import re
import time
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from sklearn.utils.extmath import randomized_svd

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.nn.corrupt import Corruption, corrupt
from sctabnet.nn.normalise import TARGET_SUM, normalise
from sctabnet.ops import row_index, segment_sum

HELD_OUT = "pbmc_3p_v3"
# widest panel first: a cell is taken from the first file that has it
FILES = ("pbmc_5p", "pbmc3k", "pbmc_wide", "pbmc_3p_v2", "pbmc_crosstech")
BARCODE = re.compile(r"[ACGT]{14,16}")


def read(folder: Path) -> tuple[list[ad.AnnData], ad.AnnData]:
    """Return the training files without repeated cells, and the held-out library."""
    held_out = ad.read_h5ad(folder / f"{HELD_OUT}.h5ad")
    seen = {BARCODE.search(name)[0] for name in held_out.obs_names}
    files = []
    for name in FILES:
        adata = ad.read_h5ad(folder / f"{name}.h5ad")
        barcodes = [BARCODE.search(cell)[0] for cell in adata.obs_names]
        new = [barcode not in seen for barcode in barcodes]
        seen |= set(barcodes)
        adata = adata[new].copy()
        print(f"{name}: {adata.n_obs} of {len(new)} cells are new, {adata.n_vars} genes")
        if adata.n_obs:
            files.append(adata)
    return files, held_out


class Question:
    """Cells with hidden genes, and the score of an answer."""

    def __init__(self, corpus: Corpus, rows: np.ndarray, network) -> None:
        self.minibatch = corpus.take(rows)
        self.x = normalise(self.minibatch)
        choices = network.config.reconstruct
        self.asked: Corruption = corrupt(
            self.minibatch,
            self.x,
            network.gene_keys,
            mask_ratio=choices.mask_ratio,
            silent_per_expressed=choices.silent_per_expressed,
            seed=0,
            epoch=-1,
        )
        depth = segment_sum(self.minibatch.values, self.minibatch.offsets) / TARGET_SUM
        self.depth_q = depth[row_index(self.asked.offsets)]

    def deviance(self, predicted_q: torch.Tensor) -> float:
        """Mean over cells of the weighted mean Poisson deviance: the loss of pretraining."""
        rate, target = torch.expm1(predicted_q), torch.expm1(self.asked.x)
        log_ratio = torch.log(rate.clamp_min(1e-8)) - torch.log(target.clamp_min(1e-8))
        return self._mean((rate - target - target * log_ratio) * self.depth_q)

    def error(self, predicted_q: torch.Tensor) -> float:
        """Mean over cells of the weighted mean squared error of log1p values."""
        return self._mean((predicted_q - self.asked.x) ** 2)

    def _mean(self, loss_q: torch.Tensor) -> float:
        asked = self.asked
        total = segment_sum(asked.weights * loss_q, asked.offsets)
        return float((total / segment_sum(asked.weights, asked.offsets)).mean())

    def pca(self, axes: np.ndarray, mean: np.ndarray, penalty: float) -> np.ndarray:
        """Predict the asked genes of every cell from the scores that its visible genes give."""
        batch, asked = self.minibatch, self.asked
        measured = batch.measured[batch.source_ids].numpy()
        predicted = np.empty(len(asked.x))
        for cell in range(len(batch)):
            listed = slice(*batch.offsets[cell : cell + 2].tolist())
            wanted = slice(*asked.offsets[cell : cell + 2].tolist())
            x = np.zeros(len(mean))
            x[batch.indices[listed]] = self.x[listed]
            genes = asked.indices[wanted].numpy()
            visible = measured[cell].copy()
            visible[genes] = False
            v = axes[visible]
            gram = v.T @ v + penalty * np.eye(axes.shape[1])
            scores = np.linalg.solve(gram, v.T @ (x[visible] - mean[visible]))
            predicted[wanted] = mean[genes] + axes[genes] @ scores
        return predicted


def fit_pca(corpus: Corpus, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return axes (g, 50), mean log1p value and mean rate of each gene where it was measured."""
    batch = corpus.take(rows)
    x = normalise(batch)
    n, g = len(batch), len(corpus.vocabulary)
    matrix = sp.csr_matrix((x.numpy(), batch.indices.numpy(), batch.offsets.numpy()), (n, g))
    measured = batch.measured[batch.source_ids].numpy()
    count = measured.sum(0).clip(1)
    mean = np.asarray(matrix.sum(0)).ravel() / count
    rate = np.asarray(matrix.expm1().sum(0)).ravel() / count
    dense = matrix.toarray() - np.where(measured, mean, 0)  # not measured: the mean
    *_, axes = randomized_svd(dense.astype(np.float32), 50, n_iter=7, random_state=0)
    return axes.T.astype(np.float64), mean, rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-epochs", type=int, default=40)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sct.settings.progress_bar = False
    files, held_out = read(arguments.folder)
    rows = []
    for seed in range(arguments.seeds):
        before = time.perf_counter()
        model = sct.pretrain(files, seed=seed, max_epochs=arguments.max_epochs)
        seconds = time.perf_counter() - before
        model.network.eval()
        train = Corpus.open(files, vocabulary=model.vocabulary)
        query = Corpus.open(held_out, vocabulary=model.vocabulary)
        test = Question(query, np.arange(query.n_cells), model.network)
        if seed == 0:
            rows += baselines(train, test, model.network)
        with torch.no_grad():
            _, asked, predicted, _ = model.network.reconstruction_loss(
                test.minibatch, seed=0, epoch=-1, train=False
            )
        assert torch.equal(asked.indices, test.asked.indices), "the same genes are asked for"
        epochs = model.history[-1]["epochs"]
        name = f"sctabnet, seed {seed} ({epochs} epochs, {seconds:.0f} s)"
        rows.append((name, test.deviance(predicted), test.error(predicted)))
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows, columns=["arm", "deviance", "squared error"])
    text = (
        f"{query.n_cells} cells of {HELD_OUT}, {len(test.asked.x):,} asked genes; trained on "
        f"{train.n_cells} cells, {len(model.vocabulary):,} genes in the union\n\n"
        "| arm | Poisson deviance | squared error of log1p |\n|---|---|---|\n"
    )
    text += "".join(f"| {a} | {d:.4f} | {e:.4f} |\n" for a, d, e in table.to_numpy())
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(f"# Masked genes of a held-out library\n\n{text}")


def baselines(train: Corpus, test: Question, network) -> list[tuple[str, float, float]]:
    order = np.random.default_rng(0).permutation(train.n_cells)
    inner = Question(train, np.sort(order[:300]), network)
    axes, mean, rate = fit_pca(train, np.sort(order[300:]))
    by_rate = np.log1p(rate)

    def answer(question: Question, predicted: np.ndarray, floor: float) -> torch.Tensor:
        least = floor * by_rate[question.asked.indices.numpy()]
        return torch.from_numpy(np.maximum(predicted, least).astype(np.float32))

    tried = []
    for n_axes, penalty in itertools.product((5, 10, 20, 50), (1.0, 10.0, 100.0)):
        predicted = inner.pca(axes[:, :n_axes], mean, penalty)
        for floor in (0.1, 0.25, 0.5, 0.75, 1.0):
            given = answer(inner, predicted, floor)
            tried.append((inner.deviance(given), inner.error(given), n_axes, penalty, floor))
    rows = []
    means = {"mean rate": by_rate, "mean of log1p": mean}
    for name, values in means.items():
        given = torch.from_numpy(values[test.asked.indices.numpy()].astype(np.float32))
        rows.append((name, test.deviance(given.clamp_min(1e-6)), test.error(given)))
    for chosen_by, key in (("deviance", 0), ("squared error", 1)):
        best = min(tried, key=lambda t: t[key])
        given = answer(test, test.pca(axes[:, : best[2]], mean, best[3]), best[4])
        name = f"PCA chosen by {chosen_by} ({best[2]} axes, ridge {best[3]:g}, floor {best[4]:g})"
        rows.append((name, test.deviance(given), test.error(given)))
    for row in rows:
        print(row, flush=True)
    return rows


if __name__ == "__main__":
    main()
