"""Gene importances: ours beside those of tests, of a regression and of pytorch-tabnet.

    python workflows/benchmarks/importances.py DATA.h5ad --labels-key cell_type

Stability over seeds and over random halves of the cells (Jaccard of the top genes,
chance-adjusted; Spearman), precision against curated markers, macro-F1 of a fresh logistic
regression on the top genes only, the normalised deletion gap on one fixed model, and two controls:
labels shuffled (what is certified?) and weights drawn anew (does the ranking change?).
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
import torch
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import sctabnet as sct
from sctabnet.data.corpus import Corpus
from sctabnet.importance.deletion import deletion

MARKERS = Path(__file__).parent / "pbmc_markers.tsv"
TOP = (20, 50, 200)
Scores = pd.DataFrame  # genes x types, the larger the more important


def main() -> None:
    """Parse the arguments, run, print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="h5ad with raw counts and labels")
    parser.add_argument("--labels-key", default="cell_type")
    parser.add_argument("--drop-below", type=int, default=40, help="drop rarer labels")
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
    model = sct.finetune(reference, labels_key="type", seed=0)
    rows, orders = [], {}
    for arm in options.arms:
        function, seeded = ARMS[arm]
        started = time.perf_counter()
        fits = [
            function(reference, held_out, seed) for seed in range(options.seeds if seeded else 1)
        ]
        seconds = (time.perf_counter() - started) / len(fits)
        parts = [function(half, held_out, 0) for half in halves]
        row = {"arm": arm, "seconds": seconds}
        for name, several in (("seeds", fits), ("halves", parts)):
            scores = sct.evaluate.importances(several)
            # what does not depend on the seed agrees with itself
            row |= {f"J@{k} {name}": scores.get(f"jaccard_{k}", 1.0) for k in TOP}
            row[f"rho {name}"] = scores.get("spearman", 1.0)
        orders[arm] = _over_types(fits[0])
        row |= sct.evaluate.importances(fits, markers=_markers(), top=())
        row |= {f"panel {k}": _panel(reference, held_out, orders[arm], k) for k in (10, 20, 50)}
        rows.append(row)
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    gaps = _deletion_gaps(model, held_out, orders)
    table = pd.DataFrame(rows)
    table["deletion gap"] = [gaps[arm] for arm in table["arm"]]
    return table, _controls(model, reference, held_out)


def _markdown(table: pd.DataFrame) -> list[str]:
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * table.shape[1] + "|"]
    for _, row in table.iterrows():
        cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _ours(method: str | None, **config: object):
    def scores(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
        model = sct.finetune(reference, labels_key="type", seed=seed, **config)
        return _readout(model, held_out, method)

    return scores


def _readout(model: sct.Model, cells: anndata.AnnData, method: str | None) -> Scores:
    explained = sct.tl.gene_importance(cells, model, "type", method=method, copy=True)
    values = explained.varm["sctabnet_importance"]
    names = explained.obs["type"].cat.categories
    return pd.DataFrame(np.nan_to_num(values), explained.var_names, names)


def _test(method: str):
    def scores(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
        adata = _normalised(reference)
        sc.tl.rank_genes_groups(adata, "type", method=method, tie_correct=method == "wilcoxon")
        return pd.DataFrame(
            {
                name: sc.get.rank_genes_groups_df(adata, name).set_index("names")["scores"]
                for name in adata.obs["type"].cat.categories
            }
        ).reindex(adata.var_names)

    return scores


def coefficients(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
    adata = _normalised(reference)
    model = LogisticRegression(C=0.1, max_iter=300).fit(adata.X, adata.obs["type"])
    spread = np.sqrt(adata.X.power(2).mean(0) - np.square(adata.X.mean(0))).A1
    return pd.DataFrame((model.coef_ * spread).T, adata.var_names, model.classes_)


def pytorch_tabnet(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
    from pytorch_tabnet.tab_model import TabNetClassifier

    adata = _normalised(reference)
    model = TabNetClassifier(seed=seed, verbose=0)
    codes = adata.obs["type"].astype(str).to_numpy()
    model.fit(adata.X.toarray(), codes, max_epochs=30)
    return pd.DataFrame({"all": model.feature_importances_}, adata.var_names)


def random(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
    drawn = np.random.default_rng(seed + reference.n_obs).random(reference.n_vars)
    return pd.DataFrame({"all": drawn}, reference.var_names)


# arm: (function, whether it depends on the seed)
ARMS = {
    "sctabnet": (_ours(None), True),
    "sctabnet, mask": (_ours("mask"), True),
    "sctabnet, no wide path": (_ours(None, wide=False), True),
    "Wilcoxon": (_test("wilcoxon"), False),
    "t-test": (_test("t-test"), False),
    "logistic regression": (coefficients, False),
    "pytorch-tabnet": (pytorch_tabnet, True),
    "random": (random, True),
}


def _normalised(adata: anndata.AnnData) -> anndata.AnnData:
    plain = anndata.AnnData(adata.X.astype(np.float32), obs=adata.obs[["type"]], var=adata.var[[]])
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    return plain


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
    known, new = _normalised(reference)[:, genes], _normalised(held_out)[:, genes]
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


def _controls(model: sct.Model, reference: anndata.AnnData, held_out: anndata.AnnData) -> list[str]:
    whole = _readout(model, held_out, "contribution")
    drawn = sct.Model(model.config, model.vocabulary, labels=model.labels)
    generator = np.random.default_rng(1)
    with torch.no_grad():
        table = drawn.network.labels.wide.weight
        table.copy_(torch.from_numpy(generator.standard_normal(table.shape)).to(table))
        drawn.network.encoder.mean.copy_(model.network.encoder.mean)
        drawn.network.encoder.std.copy_(model.network.encoder.std)
    drawn_anew = _readout(drawn, held_out, "contribution")
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
    ]


if __name__ == "__main__":
    main()
