"""Where cell-eval defines a metric, ours is the same number."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from sctabnet.evaluate.perturbation_metrics import perturbation_metrics

pytest.importorskip("cell_eval")


@pytest.fixture
def pair(rng):
    """Real and predicted cells of five perturbations, two of which are measured genes."""
    names = ["control", "G3", "G7", "P1", "P2", "P3"]
    labels = np.repeat(names, 12)
    genes = [f"G{i}" for i in range(25)]
    level = rng.uniform(0.5, 2, 25)
    effect = {name: rng.normal(0, 0.5, 25) * (name != "control") for name in names}
    cells = []
    for scale in (1.0, 0.7):
        means = np.array([level + scale * effect[name] for name in labels])
        x = np.maximum(means + rng.normal(0, 0.4, means.shape), 0)
        obs = pd.DataFrame({"target": labels}, index=[f"c{i}" for i in range(len(labels))])
        cells.append(AnnData(x, obs=obs, var=pd.DataFrame(index=genes)))
    return cells


def test_metrics_equal(pair):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cell_eval._types import PerturbationAnndataPair
        from cell_eval.metrics import _anndata as theirs

        real, pred = pair
        data = PerturbationAnndataPair(real, pred, pert_col="target", control_pert="control")
        expected = {
            "pearson_delta": theirs.pearson_delta(data),
            "mae": theirs.mae(data),
            "l2": {k: (v * 25) ** 0.5 for k, v in theirs.mse(data).items()},
            "pds_l1": theirs.discrimination_score(data, "l1"),
            "pds_l2": theirs.discrimination_score(data, "l2"),
            "pds_cosine": theirs.discrimination_score(data, "cosine"),
        }

    def means(adata):
        frame = pd.DataFrame(adata.X, columns=adata.var_names)
        return frame.groupby(adata.obs["target"].to_numpy()).mean()

    perts = [str(p) for p in data.perts]
    truth, guess = means(pair[0]), means(pair[1])
    n = len(perts)
    found = perturbation_metrics(
        guess.loc[perts].to_numpy(), truth.loc[perts].to_numpy(),
        start_qg=np.repeat(guess.loc[["control"]].to_numpy(), n, axis=0),
        control_qg=np.repeat(truth.loc[["control"]].to_numpy(), n, axis=0),
        centroid_qg=np.repeat(truth.loc[perts].to_numpy().mean(0)[None], n, axis=0),
        error_qg=np.full((n, 25), 0.01), control_error_qg=np.full((n, 25), 0.01),
        reference_rg=truth.loc[perts].to_numpy(), own_r=np.arange(n),
        target_qg=np.array([truth.columns == p for p in perts]),
    )  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], [values[p] for p in perts], atol=1e-6, rtol=0)
