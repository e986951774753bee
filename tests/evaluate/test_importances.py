from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import sctabnet as sct

GENES = [f"GENE{i:03}" for i in range(300)]


def ranking(rng, groups=("B", "T")):
    return pd.DataFrame(rng.random((300, len(groups))), GENES, list(groups))


def test_the_same_ranking_agrees_and_unrelated_ones_do_not(rng):
    one = ranking(rng)
    same = sct.evaluate.importances([one, one.iloc[::-1], one])
    assert set(same) == {"jaccard_20", "jaccard_50", "jaccard_200", "spearman"}
    np.testing.assert_allclose(list(same.values()), 1)
    apart = sct.evaluate.importances([ranking(rng) for _ in range(12)])
    np.testing.assert_allclose(list(apart.values()), 0, atol=0.04)


def test_spearman_is_scipys_and_a_gene_without_importance_is_last(rng):
    one, other = ranking(rng, ["B"]), ranking(rng, ["B"])
    expected = spearmanr(one["B"], other["B"]).statistic
    assert sct.evaluate.importances([one, other])["spearman"] == pytest.approx(expected)
    one.iloc[:40] = np.nan
    lowest = one.fillna(-1)
    both = [sct.evaluate.importances([x, other]) for x in (one, lowest)]
    assert both[0] == both[1]


def test_markers(rng):
    scores = ranking(rng)
    best = scores["B"].nlargest(8).index
    found = sct.evaluate.importances([scores], markers={"B": {*best, "elsewhere"}, "T": GENES[:3]})
    # eight markers are among the genes; three of T are too few
    assert found == {"precision_10": 1.0, "precision_20": 1.0, "precision_50": 1.0}
    worst = {"B": set(scores["B"].nsmallest(20).index)}
    assert sct.evaluate.importances([scores], markers=worst)["precision_50"] == 0


def test_genes_of_one_module_stand_for_each_other(rng):
    one = ranking(rng, ["B"])
    other = one.copy()
    best = one["B"].nlargest(25).index
    # five genes of the top 20 give way to their partners
    other.loc[best[:5], "B"], other.loc[best[20:], "B"] = 0, 2
    partners = dict(zip(best[20:], best[:5], strict=True))
    found = sct.evaluate.importances([one, other], modules=partners, top=[20])
    assert found["group_jaccard_20"] == 1
    assert found["jaccard_20"] < 15 / 25
    alone = sct.evaluate.importances([one, other], modules={}, top=[20])
    assert alone["group_jaccard_20"] == pytest.approx(15 / 25)


def test_what_cannot_be_compared(rng):
    with pytest.raises(ValueError, match="Found no fit"):
        sct.evaluate.importances([])
    with pytest.raises(ValueError, match="not the same"):
        sct.evaluate.importances([ranking(rng), ranking(rng).iloc[:200]])
