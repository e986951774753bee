"""Rankings of genes that ``importances.py`` compares: ours, tests, a regression, pytorch-tabnet.

Each takes the cells to learn from, cells held out, and a seed.
"""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.linear_model import LogisticRegression

import sctabnet as sct

Scores = pd.DataFrame  # genes x types, the larger the more important


def _ours(method: str | None, **config: object):
    def scores(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
        model = sct.finetune(reference, labels_key="type", seed=seed, **config)
        return readout(model, held_out, method)

    return scores


def readout(model: sct.Model, cells: anndata.AnnData, method: str | None) -> Scores:
    explained = sct.tl.gene_importance(cells, model, "type", method=method, copy=True)
    values = explained.varm["sctabnet_importance"]
    names = explained.obs["type"].cat.categories
    return pd.DataFrame(np.nan_to_num(values), explained.var_names, names)


def _test(method: str):
    def scores(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
        adata = normalised(reference)
        sc.tl.rank_genes_groups(adata, "type", method=method, tie_correct=method == "wilcoxon")
        return pd.DataFrame(
            {
                name: sc.get.rank_genes_groups_df(adata, name).set_index("names")["scores"]
                for name in adata.obs["type"].cat.categories
            }
        ).reindex(adata.var_names)

    return scores


def coefficients(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
    adata = normalised(reference)
    model = LogisticRegression(C=0.1, max_iter=300).fit(adata.X, adata.obs["type"])
    spread = np.sqrt(adata.X.power(2).mean(0) - np.square(adata.X.mean(0))).A1
    return pd.DataFrame((model.coef_ * spread).T, adata.var_names, model.classes_)


def pytorch_tabnet(reference: anndata.AnnData, held_out: anndata.AnnData, seed: int) -> Scores:
    from pytorch_tabnet.tab_model import TabNetClassifier

    adata = normalised(reference)
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


def normalised(adata: anndata.AnnData) -> anndata.AnnData:
    plain = anndata.AnnData(adata.X.astype(np.float32), obs=adata.obs[["type"]], var=adata.var[[]])
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    return plain
