from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from sctabnet.train.ridge import ridge


def cells_of(n_cells, n_genes, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n_cells)
    rate = rng.gamma(1.0, 1.0, n_genes) * np.exp(0.5 * rng.normal(size=(3, n_genes)))[labels]
    return sp.csr_array(np.log1p(rng.poisson(rate)).astype(float)), labels


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("penalty", [0.01, 0.3])
@pytest.mark.parametrize(("n_cells", "n_genes"), [(150, 40), (60, 200)])
def test_is_scikit_learns_logistic_regression(n_cells, n_genes, penalty, class_weight):
    x, labels = cells_of(n_cells, n_genes)
    labels[10:] %= 2  # the third label is rare
    found = ridge(x, labels, 3, [], penalties=(penalty,), balanced=class_weight is not None)
    oracle = LogisticRegression(
        C=penalty, class_weight=class_weight, max_iter=10_000, tol=1e-8
    ).fit(x, labels)
    assert found.c == penalty and found.log_loss == {}
    np.testing.assert_allclose(found.weight, oracle.coef_.T, atol=1e-3)
    np.testing.assert_allclose(
        softmax(x @ found.weight + found.bias, axis=1), oracle.predict_proba(x), atol=1e-3
    )


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("n_genes", [30, 200])
def test_the_penalty_is_chosen_by_cells_that_a_fit_has_not_seen(n_genes, balanced):
    x, labels = cells_of(90, n_genes)
    labels[:60] = 0
    class_weight = "balanced" if balanced else None
    folds = [np.arange(i, 90, 3) for i in range(3)]
    found = ridge(x, labels, 3, folds, penalties=(0.01, 0.1, 1.0), balanced=balanced)
    for penalty, loss in found.log_loss.items():
        logits = np.zeros((90, 3))
        for fold in folds:
            rest = np.setdiff1d(np.arange(90), fold)
            model = LogisticRegression(
                C=penalty, class_weight=class_weight, max_iter=10_000, tol=1e-8
            )
            model.fit(x[rest], labels[rest])
            logits[fold] = model.predict_log_proba(x[fold])
        assert loss == pytest.approx(-logits[np.arange(90), labels].mean(), abs=2e-3)
        if loss == min(found.log_loss.values()):
            np.testing.assert_allclose(
                softmax(found.out_of_fold, axis=1), np.exp(logits), atol=3e-3
            )
    # the penalty lies within the neighbours of the best that was tried
    best = min(found.log_loss, key=found.log_loss.get)
    assert best / 10 <= found.c <= best * 10 and 0.01 <= found.c <= 1.0


def test_cells_in_no_fold_have_no_out_of_fold_logits():
    x, labels = cells_of(60, 20)
    found = ridge(x, labels, 3, [np.arange(0, 40, 2), np.arange(1, 40, 2)])
    assert np.isfinite(found.out_of_fold[:40]).all() and np.isnan(found.out_of_fold[40:]).all()


def test_a_label_without_cells_is_the_least_likely():
    x, labels = cells_of(60, 20)
    found = ridge(x, labels, 4, [])
    assert np.isfinite(found.weight).all() and np.isfinite(found.bias).all()
    assert ((x @ found.weight + found.bias).argmin(1) == 3).mean() > 0.9


def test_order_of_cells_and_of_equal_columns_does_not_matter():
    x, labels = cells_of(60, 20)
    order = np.random.default_rng(0).permutation(60)
    a, b = ridge(x, labels, 3, []), ridge(x[order], labels[order], 3, [])
    np.testing.assert_allclose(a.weight, b.weight, atol=1e-3)
    twice = ridge(sp.csr_array(sp.hstack([x, x])), labels, 3, [])
    np.testing.assert_allclose(twice.weight[:20], twice.weight[20:], atol=1e-3)


def test_another_start_ends_at_the_same_weights():
    x, labels = cells_of(90, 30)
    cold = ridge(x, labels, 3, [], penalties=(0.1,))
    last = np.vstack([cold.weight, cold.bias])
    near = ridge(x[:80], labels[:80], 3, [], penalties=(0.1,), start=last)
    warm = ridge(x, labels, 3, [], penalties=(0.1,), start=np.vstack([near.weight, near.bias]))
    np.testing.assert_allclose(warm.weight, cold.weight, atol=1e-3)
    np.testing.assert_allclose(warm.bias, cold.bias, atol=2e-3)


def test_the_penalty_changes_little_with_the_folds():
    x, labels = cells_of(300, 30)
    labels = np.where(np.arange(300) % 3, labels, np.roll(labels, 1))  # a third are wrong
    chosen = []
    for seed in range(4):
        deal = np.random.default_rng(seed).permutation(300)
        folds = [np.sort(deal[i::3]) for i in range(3)]
        chosen.append(ridge(x, labels, 3, folds, penalties=(1e-3, 1e-2, 0.1, 1.0)).c)
    assert len(set(chosen)) == 4 and max(chosen) < 2 * min(chosen)
