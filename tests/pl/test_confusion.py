from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import sctabnet as sct


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def test_rows_are_shares_of_the_known_label(annotated):
    axes = sct.pl.confusion(annotated, "cell_type")
    share = drawn(axes)
    assert share.shape == (3, 3)
    np.testing.assert_allclose(share.sum(1), 1)
    known, given = annotated.obs["cell_type"], annotated.obs["sctabnet_label"]
    for i, row in enumerate(axes.get_yticklabels()):
        name, n = row.get_text().rsplit(" (", 1)
        assert n == f"{(known == name).sum()})"
        for j, column in enumerate(axes.get_xticklabels()):
            expected = (given[known == name] == column.get_text()).mean()
            assert share[i, j] == pytest.approx(expected)


def test_a_known_label_that_the_model_lacks_has_a_row_and_unlabelled_cells_have_none(annotated):
    adata = annotated.copy()
    known = adata.obs["cell_type"].astype(object)
    known[:20], known[20:30] = "plasma", np.nan
    adata.obs["known"] = known
    _, axes = plt.subplots()
    assert sct.pl.confusion(adata, "known", ax=axes) is axes
    assert drawn(axes).shape == (4, 3)
    assert axes.get_yticklabels()[-1].get_text() == "plasma (20)"


def test_missing_columns_are_named(annotated, cells):
    with pytest.raises(KeyError, match="labels_key='cell_typ'.*Did you mean 'cell_type'"):
        sct.pl.confusion(annotated, "cell_typ")
    with pytest.raises(KeyError, match="'sctabnet_label' was not computed yet"):
        sct.pl.confusion(cells, "cell_type")
