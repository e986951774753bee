"""Gene importances: ours beside those of tests, of a regression and of pytorch-tabnet.

    python workflows/benchmarks/importances.py DATA.h5ad --labels-key cell_type

Stability over seeds, over random halves of the cells and, with ``--parts-key``, over the donors or
technologies that a column names, each learned and read out on its own cells (Jaccard of the top
genes, chance-adjusted; of their co-expressed groups, as it is; Spearman), precision against
curated markers, macro-F1 of a fresh logistic regression on the top genes only, the normalised
deletion gap on one fixed model, and three controls: labels shuffled (what is certified?), weights
drawn anew (does the ranking change?) and leakage (do the places of a mask, without any value, tell
the label better than which of as many genes are expressed?).
``importance_error_rates.py`` shows error rate and power of the certificate where truth is known.

Types of fewer than 40 cells are left out: ten held-out cells are needed to rank genes. A method's
ranking of genes over all types is by its best rank in any type; pytorch-tabnet knows one
ranking only.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp
import torch
from importance_arms import ARMS, Scores, normalised, readout
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.importance.deletion import deletion
from sctabnet.importance.equivalent_genes import equivalent_genes

MARKERS = Path(__file__).parent / "pbmc_markers.tsv"
TOP = (20, 50, 200)
READOUTS = ("contribution", "integrated_gradients", "permutation", "mask")


def main() -> None:
    """Parse the arguments, run, print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="h5ad with raw counts and labels")
    parser.add_argument("--labels-key", default="cell_type")
    parser.add_argument("--drop-below", type=int, default=40, help="drop rarer labels")
    parser.add_argument("--parts-key", help="column of donors or technologies to learn from alone")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--out", default="workflows/benchmarks/results")
    options = parser.parse_args()
    sct.settings.progress_bar = False
    warnings.simplefilter("ignore")
    table, notes = judged(options)
    text = "\n".join([*_markdown(table), "", *notes])
    print(text)
    stem = f"{time.strftime('%Y-%m-%d')}_importances_{Path(options.data).stem}"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / f"{stem}.csv", index=False)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n{text}\n")


def judged(options: argparse.Namespace) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per arm, and what the controls say."""
    adata = sc.read_h5ad(options.data)
    labels = adata.obs[options.labels_key].astype(str)
    adata = adata[labels.map(labels.value_counts()) >= options.drop_below].copy()
    adata.obs["type"] = adata.obs[options.labels_key].astype(str).astype("category")
    sc.pp.filter_genes(adata, min_cells=10)
    train, test = train_test_split(
        np.arange(adata.n_obs), test_size=0.3, stratify=adata.obs["type"], random_state=0
    )
    reference, held_out = adata[np.sort(train)].copy(), adata[np.sort(test)].copy()
    halves = [
        reference[np.sort(half)].copy()
        for half in train_test_split(
            np.arange(reference.n_obs),
            test_size=0.5,
            stratify=reference.obs["type"],
            random_state=0,
        )
    ]
    alone = [] if options.parts_key is None else _parts(reference, held_out, options.parts_key)
    model = sct.finetune(reference, labels_key="type", seed=0)
    modules = _modules(reference)
    rows, orders = [], {}
    for arm in options.arms:
        function, seeded = ARMS[arm]
        started = time.perf_counter()
        fits = [
            function(reference, held_out, seed) for seed in range(options.seeds if seeded else 1)
        ]
        seconds = (time.perf_counter() - started) / len(fits)
        compared = {"seeds": fits, "halves": [function(half, held_out, 0) for half in halves]}
        if alone:
            compared["parts"] = [function(known, new, 0) for known, new in alone]
        row = {"arm": arm, "seconds": seconds}
        for name, several in compared.items():
            scores = sct.evaluate.importances(several, modules=modules)
            # what does not depend on the seed agrees with itself
            row |= {f"J@{k} {name}": scores.get(f"jaccard_{k}", 1.0) for k in TOP}
            row[f"group J@50 {name}"] = scores.get("group_jaccard_50", 1.0)
            row[f"rho {name}"] = scores.get("spearman", 1.0)
        orders[arm] = _over_types(fits[0])
        row |= sct.evaluate.importances(fits, markers=_markers(), top=())
        row |= {f"panel {k}": _panel(reference, held_out, orders[arm], k) for k in (10, 20, 50)}
        rows.append(row)
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    own = {m: _over_types(readout(model, held_out, m)) for m in READOUTS}
    gaps = _deletion_gaps(model, held_out, orders | own)
    table = pd.DataFrame(rows)
    table["deletion gap"] = [gaps[arm] for arm in table["arm"]]
    readouts = ", ".join(f"{name} {gaps[name]:.3f}" for name in READOUTS)
    notes = [f"- Deletion gap of the fixed model's own readouts: {readouts}."]
    return table, notes + _controls(model, reference, held_out)


def _parts(
    reference: anndata.AnnData, held_out: anndata.AnnData, key: str
) -> list[tuple[anndata.AnnData, anndata.AnnData]]:
    """Return both sides' cells of each value of a column, of types with ten cells everywhere."""
    sides = (reference, held_out)
    counts = [pd.crosstab(side.obs["type"], side.obs[key].astype(str)) for side in sides]
    types = counts[0].index[np.logical_and(*[(table >= 10).all(axis=1) for table in counts])]
    parts = []
    for name in counts[0].columns:
        pair = []
        for side in sides:
            mine = (side.obs[key].astype(str) == name) & side.obs["type"].isin(types)
            pair.append(side[mine.to_numpy()].copy())
            pair[-1].obs["type"] = pair[-1].obs["type"].cat.remove_unused_categories()
        parts.append((pair[0], pair[1]))
    return parts


def _markdown(table: pd.DataFrame) -> list[str]:
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * table.shape[1] + "|"]
    for _, row in table.iterrows():
        cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _over_types(scores: Scores) -> pd.Series:
    """Return minus the best rank over types, so that larger is more important; ties by gene."""
    return (
        -pd.DataFrame({name: rankdata(-scores[name]) for name in scores})
        .min(1)
        .set_axis(scores.index)
    )


def _top(values: pd.Series, k: int) -> set[str]:
    return set(values.sort_index().sort_values(ascending=False, kind="stable").index[:k])


def _markers() -> dict[str, set[str]]:
    table = pd.read_csv(MARKERS, sep="\t")
    known = {str(name): set(genes) for name, genes in table.groupby("cell_type")["gene"]}
    return known | {"all": set(table["gene"])}


def _panel(
    reference: anndata.AnnData, held_out: anndata.AnnData, order: pd.Series, k: int
) -> float:
    genes = sorted(_top(order, k))
    known, new = normalised(reference)[:, genes], normalised(held_out)[:, genes]
    model = LogisticRegression(C=1.0, max_iter=500).fit(known.X, known.obs["type"])
    return sct.evaluate.labels(list(new.obs["type"]), list(model.predict(new.X)))["macro_f1"]


def _deletion_gaps(
    model: sct.Model, cells: anndata.AnnData, orders: dict[str, pd.Series]
) -> dict[str, float]:
    """Return each order's share of the best fall of the model's probability, 0 being random's."""
    corpus = Corpus.open(cells, vocabulary=model.vocabulary, labels_key="type", labels=model.labels)
    some = corpus.take(np.sort(np.random.default_rng(0).permutation(cells.n_obs)[:256]))
    rng = np.random.default_rng(0)
    scores = {f"random {i}": rng.random(len(model.vocabulary)) for i in range(5)}
    genes = list(model.vocabulary.ids)
    scores |= {arm: order.reindex(genes).to_numpy(dtype=float) for arm, order in orders.items()}
    left = {
        name: found[1:].mean() for name, found in
        deletion(model, some, some.labels.numpy(), scores).items()
    }  # fmt: skip
    chance = np.mean([left[name] for name in left if name.startswith("random ")])
    best = min(left[arm] for arm in orders)
    return {arm: float((chance - left[arm]) / (chance - best)) for arm in orders}


def _modules(reference: anndata.AnnData) -> dict[str, str]:
    """Return the co-expressed group of every gene, made once for all arms."""
    adata = normalised(reference)
    mean = np.asarray(adata.X.mean(0)).ravel()
    leader = equivalent_genes(sp.csr_array(adata.X), mean, n_genes=adata.n_vars)
    return dict(zip(adata.var_names, adata.var_names[leader], strict=True))


def _leakage(model: sct.Model, reference: anndata.AnnData, held_out: anndata.AnnData) -> str:
    """Name cells by which genes are attended, and by which of the top genes are expressed."""
    attended, x, importance = {}, {}, None
    for name, cells in (("train", reference), ("test", held_out)):
        read = sct.tl.gene_importance(
            cells, model, "type", method="mask", attention=True, copy=True
        )
        attended[name] = sp.csr_matrix(read.layers["sctabnet_attention"]) > 0
        x[name] = sp.csr_matrix(cells.X) > 0
        importance = read.var["sctabnet_importance"] if importance is None else importance
    k = max(1, round(attended["train"].getnnz() / reference.n_obs))
    top = np.flatnonzero(reference.var_names.isin(_top(importance.fillna(0), k)))
    accuracy = {}
    for name, of in (("places", attended), ("expressed", {n: m[:, top] for n, m in x.items()})):
        judge = LogisticRegression(C=1.0, max_iter=500).fit(
            of["train"].astype(float), reference.obs["type"]
        )
        accuracy[name] = judge.score(of["test"].astype(float), held_out.obs["type"])
    return (
        f"- Leakage: accuracy {accuracy['places']:.3f} from the places of the mask alone "
        f"({k} genes on average), {accuracy['expressed']:.3f} from which of the top {k} genes are "
        "expressed."
    )


def _controls(model: sct.Model, reference: anndata.AnnData, held_out: anndata.AnnData) -> list[str]:
    whole = readout(model, held_out, "contribution")
    drawn = sct.Model(model.config, model.vocabulary, labels=model.labels)
    generator = np.random.default_rng(1)
    with torch.no_grad():
        table = drawn.network.labels.wide.weight
        table.copy_(torch.from_numpy(generator.standard_normal(table.shape)).to(table))
        drawn.network.encoder.mean.copy_(model.network.encoder.mean)
        drawn.network.encoder.std.copy_(model.network.encoder.std)
    drawn_anew = readout(drawn, held_out, "contribution")
    anew = sct.evaluate.importances([whole, drawn_anew])["spearman"]
    shuffled = reference.copy()
    shuffled.obs["type"] = pd.Categorical(
        np.random.default_rng(0).permutation(shuffled.obs["type"].astype(str))
    )
    taught = sct.finetune(shuffled, labels_key="type", seed=0)
    mixed = held_out.copy()
    mixed.obs["type"] = pd.Categorical(
        np.random.default_rng(1).permutation(mixed.obs["type"].astype(str))
    )
    sct.tl.gene_importance(mixed, taught, "type", method="contribution", certify=True)
    n_false = int((mixed.var["sctabnet_importance_qvalue"] <= 0.1).sum())
    sct.tl.gene_importance(held_out, model, "type", method="contribution", certify=True)
    n_true = int((held_out.var["sctabnet_importance_qvalue"] <= 0.1).sum())
    return [
        f"- Weights drawn anew: Spearman {anew:.3f} with the ranking of the trained model.",
        f"- Certified at 0.1: {n_true} genes; after training and asking with shuffled labels: "
        f"{n_false}.",
        _leakage(model, reference, held_out),
    ]


if __name__ == "__main__":
    main()
