"""Ways to label a query from a reference that ``labels.py`` compares: baselines and ours.

Each takes reference, query, the options of the command and a seed. Packages that are not installed
raise ``ModuleNotFoundError``, and the arm is skipped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.linear_model import LogisticRegressionCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import compute_sample_weight

import sctabnet as sct
from sctabnet.train.split_cells import split_cells

# one row per cell: label, confidence and, where the arm gives sets, label_set
Answer = pd.DataFrame


def _log1p(adata: anndata.AnnData) -> anndata.AnnData:
    plain = anndata.AnnData(adata.X.astype(np.float32), obs=adata.obs, var=adata.var)
    sc.pp.normalize_total(plain, target_sum=1e4)
    sc.pp.log1p(plain)
    return plain


def _shared(reference, query) -> tuple[anndata.AnnData, anndata.AnnData]:
    """Return both with the genes that both have: a baseline knows no absent genes."""
    genes = reference.var_names.intersection(query.var_names)
    return _log1p(reference)[:, genes], _log1p(query)[:, genes]


def _most_probable(labels, probability) -> Answer:
    label = np.asarray(labels)[probability.argmax(1)]
    return pd.DataFrame({"label": label, "confidence": probability.max(1)})


def _folds(reference: anndata.AnnData, options: argparse.Namespace) -> list:
    labels = reference.obs[options.labels_key].astype("category").cat.codes.to_numpy(np.int64)
    groups = reference.obs[options.group_key].astype("category").cat.codes.to_numpy(np.int64)
    tests = split_cells(labels, groups, n_folds=3)
    return [(np.setdiff1d(np.arange(len(labels)), test), test) for test in tests]


def majority(reference, query, options, seed) -> Answer:
    counts = reference.obs[options.labels_key].astype(str).value_counts(normalize=True)
    return pd.DataFrame({"label": [counts.index[0]] * query.n_obs, "confidence": counts.iloc[0]})


def _logistic_regression(class_weight: str | None = None) -> Callable[..., Answer]:
    def run(reference, query, options, seed) -> Answer:
        model = LogisticRegressionCV(
            Cs=[0.01, 0.03, 0.1, 0.3, 1.0], cv=_folds(reference, options),
            scoring="neg_log_loss", class_weight=class_weight, max_iter=300, tol=1e-3,
        )  # fmt: skip
        known, new = _shared(reference, query)
        model.fit(known.X, known.obs[options.labels_key].astype(str))
        probability = model.predict_proba(new.X)
        return _most_probable(model.classes_, probability)

    return run


def nearest_neighbours(reference, query, options, seed) -> Answer:
    both = anndata.concat([_log1p(reference), _log1p(query)], join="inner")
    sc.pp.pca(both, n_comps=50, random_state=seed)
    space = both.obsm["X_pca"]
    model = KNeighborsClassifier(15, weights="distance")
    model.fit(space[: reference.n_obs], reference.obs[options.labels_key].astype(str))
    probability = model.predict_proba(space[reference.n_obs :])
    return _most_probable(model.classes_, probability)


def _xgboost(class_weight: str | None = None) -> Callable[..., Answer]:
    def run(reference, query, options, seed) -> Answer:
        from xgboost import XGBClassifier

        codes = reference.obs[options.labels_key].astype("category").cat
        model = XGBClassifier(n_estimators=200, max_depth=4, tree_method="hist", random_state=seed)
        known, new = _shared(reference, query)
        weights = compute_sample_weight(class_weight, codes.codes)
        model.fit(known.X, codes.codes, sample_weight=weights)
        probability = model.predict_proba(new.X)
        return _most_probable(codes.categories.astype(str), probability)

    return run


def celltypist(reference, query, options, seed) -> Answer:
    from celltypist import annotate, train

    model = train(_log1p(reference), labels=options.labels_key, check_expression=False, n_jobs=2)
    found = annotate(_log1p(query), model=model).probability_matrix
    return _most_probable(found.columns, found.to_numpy())


def scanvi(reference, query, options, seed) -> Answer:
    """Learn from reference and query together, the query without labels."""
    import scvi

    scvi.settings.seed = seed
    both = anndata.concat([reference, query], join="inner")
    known = reference.obs[options.labels_key]
    labels = np.full(both.n_obs, "unlabelled", dtype=object)
    labels[: reference.n_obs] = known.astype(object).where(known.notna(), "unlabelled")
    both.obs["label"] = labels.astype(str)
    scvi.model.SCVI.setup_anndata(both, batch_key=options.group_key, labels_key="label")
    base = scvi.model.SCVI(both, n_layers=2, n_latent=30, gene_likelihood="nb")
    base.train(accelerator="cpu", enable_progress_bar=False)
    model = scvi.model.SCANVI.from_scvi_model(base, unlabeled_category="unlabelled")
    model.train(
        max_epochs=20, n_samples_per_label=100, accelerator="cpu", enable_progress_bar=False
    )
    probability = model.predict(both[reference.n_obs :].copy(), soft=True)
    return _most_probable(probability.columns, probability.to_numpy())


def _ours(
    pretrain_on: str = "reference", adapt: str = "none", **config: object
) -> Callable[..., Answer]:
    def run(reference, query, options, seed) -> Answer:
        batch = {"batch_key": options.group_key}
        sources = {"reference": reference, "both": [reference, query]}
        init = None
        if pretrain_on != "nothing":
            init = sct.pretrain(sources[pretrain_on], seed=seed, **batch)
        # cells without a label are there for pretraining alone
        labelled = reference[reference.obs[options.labels_key].notna()].copy()
        model = sct.finetune(
            labelled, init=init, labels_key=options.labels_key, seed=seed, **batch, **config
        )
        print(
            "   ",
            {k: v for k, v in model.history[-1].items() if k in ("gate", "temperature", "ridge_c")},
        )
        sct.tl.transfer_labels(
            query, model, coverage=0.9, overwrite=True, adapt=adapt, reference=reference
        )
        return sct.get.labels_df(query)

    return run


# arm: (function, whether it depends on the seed)
ARMS: dict[str, tuple[Callable[..., Answer], bool]] = {
    "majority": (majority, False),
    "logistic regression": (_logistic_regression(), False),
    "logistic regression, balanced": (_logistic_regression("balanced"), False),
    "kNN": (nearest_neighbours, False),
    "XGBoost": (_xgboost(), True),
    "XGBoost, balanced": (_xgboost("balanced"), True),
    "CellTypist": (celltypist, False),
    "scANVI (joint)": (scanvi, True),
    "sctabnet": (_ours(), True),
    "sctabnet, joint pretraining": (_ours("both"), True),
    "sctabnet, no pretraining": (_ours("nothing"), True),
    "sctabnet, no wide path": (_ours(wide=False), True),
    "sctabnet, wide path only": (_ours("nothing", deep=False), False),
    "sctabnet, wide path only, pretrained": (_ours(deep=False), True),
    "sctabnet, adapted (joint)": (_ours("nothing", "joint", deep=False), False),
    "sctabnet, adapted (statistics)": (_ours("nothing", "statistics", deep=False), False),
}
