from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import sctabnet as sct


@pytest.fixture
def delta():
    obs = pd.DataFrame({"perturbation": ["A"], "condition": ["A"]}, index=["A"])
    x = np.array([[0.1, -2.0, 0.5]])
    adata = AnnData(x, obs=obs, var=pd.DataFrame(index=["g0", "g1", "g2"]))
    adata.layers["lower"], adata.layers["upper"] = x - 0.3, x + 0.3
    return adata


def test_the_strongest_response_comes_first(delta):
    frame = sct.get.perturbation_df(delta, "A", n_genes=2)
    assert list(frame["gene"]) == ["g1", "g2"] and frame["excludes_zero"].all()
    assert not sct.get.perturbation_df(delta, "A")["excludes_zero"].iloc[2]


@pytest.mark.parametrize("draw", [sct.get.perturbation_df, sct.pl.perturbation_scatter])
def test_what_was_not_computed_is_named(draw, cells, delta):
    with pytest.raises(KeyError, match=r'predict_perturbation\(adata.*return_="delta"\) first'):
        draw(cells, "A")
    with pytest.raises(KeyError, match="'B' was not ranked.*'A'"):
        draw(delta, "B")


def test_the_heatmap_says_so_too(cells):
    with pytest.raises(KeyError, match="predict_perturbation"):
        sct.pl.perturbation_heatmap(cells)
