from __future__ import annotations

import numpy as np
import pytest

import sctabnet as sct


def test_one_row_per_gene_and_group(annotated):
    frame = sct.get.importance_df(annotated)
    assert list(frame.columns) == ["group", "rank", "gene", "score", "log2_fold_change"]
    assert len(frame) == 3 * annotated.n_vars
    best = sct.get.importance_df(annotated, "T/CD4", n_genes=4)
    assert list(best["rank"]) == [1, 2, 3, 4] and set(best["group"]) == {"T/CD4"}
    assert (np.diff(best["score"]) <= 0).all()
    column = list(annotated.uns["sctabnet_importance"]["groups"]).index("T/CD4")
    position = annotated.var_names.get_indexer(best["gene"])
    expected = annotated.varm["sctabnet_importance"][position, column]
    np.testing.assert_array_equal(best["score"].to_numpy(), expected)


def test_what_was_not_computed_is_named(annotated, cells):
    with pytest.raises(KeyError, match="'sctabnet_importance' was not computed yet. Run sctabnet"):
        sct.get.importance_df(cells)
    with pytest.raises(KeyError, match="'other_importance'"):
        sct.get.importance_df(annotated, key="other")
    with pytest.raises(KeyError, match="'b cell' was not ranked.*Did you mean 'B cell'"):
        sct.get.importance_df(annotated, "b cell")
