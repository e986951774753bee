from __future__ import annotations

import anndata
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import compute_class_weight

import sctabnet as sct
from sctabnet.train.label_weights import label_weights


@given(st.lists(st.integers(0, 5), min_size=1), st.integers(0, 3))
def test_is_scikit_learns_balanced_weight(labels, more):
    labels = np.array(labels)
    present = np.unique(labels)
    found = label_weights(labels, int(labels.max()) + 1 + more)
    expected = compute_class_weight("balanced", classes=present, y=labels)
    np.testing.assert_allclose(found[present], expected)
    assert not np.delete(found, present).any()
    np.testing.assert_allclose(found[labels].mean(), 1)


def test_a_rare_type_is_found_more_often_than_where_shares_are_trusted(cells):
    """Two types that overlap, one ten times as frequent: the halves of a query of equal shares."""
    rng = np.random.default_rng(0)
    x = rng.poisson(np.where(np.arange(440)[:, None] % 2, 2.0, 2.4), (440, 120)).astype(np.float32)
    kind = np.where(np.arange(440) % 2, "rare", "frequent")
    keep = np.r_[np.arange(0, 240, 2), np.arange(1, 24, 2)]
    adata = anndata.AnnData(x)
    adata.var_names = cells.var_names[:120]
    adata.obs["cell_type"] = kind
    reference, query = adata[keep].copy(), adata[240:].copy()
    named = {}
    for class_weight in ("none", "balanced"):
        model = sct.finetune(
            reference, labels_key="cell_type", deep=False, class_weight=class_weight
        )
        sct.tl.transfer_labels(query, model, overwrite=True)
        named[class_weight] = (query.obs["sctabnet_label"] == "rare").mean()
    assert named["none"] < named["balanced"]
    assert abs(named["balanced"] - 0.5) < abs(named["none"] - 0.5)
