from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import sctabnet as sct


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_the_best_genes_of_each_group_scaled_to_its_largest(annotated):
    axes = sct.pl.importance_heatmap(annotated, n_genes=3)
    values = np.asarray(axes.images[0].get_array())
    genes = [tick.get_text() for tick in axes.get_xticklabels()]
    groups = [tick.get_text() for tick in axes.get_yticklabels()]
    assert groups == ["B cell", "NK", "T/CD4"] and values.shape == (3, len(genes))
    assert 3 <= len(genes) <= 9
    np.testing.assert_allclose(np.abs(values).max(1), 1)
    for group, row in zip(groups, values, strict=True):
        assert genes[row.argmax()] == sct.get.importance_df(annotated, group)["gene"][0]


def test_chosen_groups_in_the_given_order_and_axes(annotated):
    _, axes = plt.subplots()
    assert sct.pl.importance_heatmap(annotated, groups=["T/CD4", "NK"], ax=axes) is axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["T/CD4", "NK"]


def test_bad_input_is_named(annotated, cells):
    with pytest.raises(KeyError, match="'NKT' was not ranked.*Did you mean 'NK'"):
        sct.pl.importance_heatmap(annotated, groups=["NKT"])
    with pytest.raises(KeyError, match="was not computed yet"):
        sct.pl.importance_heatmap(cells)
