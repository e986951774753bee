from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_wine, make_classification, make_regression
from torch.nn import functional as F

from sctabnet._errors import InputError, MissingFileError
from sctabnet.tabular import (
    Metric,
    TabNetClassifier,
    TabNetMultiTaskClassifier,
    TabNetPretrainer,
    TabNetRegressor,
)

SMALL: dict[str, Any] = {"n_shared": 1, "n_independent": 1, "n_steps": 2, "random_state": 0}
QUICK: dict[str, Any] = {**SMALL, "max_epochs": 2}


def mixed_table(n: int = 200, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """The label depends on a category and on whether a number is missing."""
    rng = np.random.default_rng(seed)
    city = rng.choice(["Bonn", "Rom", "Ulm"], n)
    age = rng.normal(40, 10, n)
    age[rng.random(n) < 0.4] = np.nan
    X = pd.DataFrame({"noise": rng.normal(size=n), "city": city, "age": age})
    y = np.where((city == "Ulm") | np.isnan(age), "yes", "no")
    return X, y


def test_mixed_columns_and_missing_values_are_learnt() -> None:
    X, y = mixed_table(400)
    classifier = TabNetClassifier(**SMALL, max_epochs=30, batch_size=64).fit(X[:300], y[:300])
    assert classifier.score(X[300:], y[300:]) > 0.9
    assert list(classifier.classes_) == ["no", "yes"]
    # The noise matters least, and the indicator's importance counts for its column.
    assert classifier.feature_importances_.shape == (3,)
    np.testing.assert_allclose(classifier.feature_importances_.sum(), 1)
    assert classifier.feature_importances_.argmin() == 0


def test_an_unseen_category_is_no_error() -> None:
    X, y = mixed_table()
    classifier = TabNetClassifier(**QUICK).fit(X, y)
    new = X[:3].assign(city="Atlantis")
    probability = classifier.predict_proba(new)
    assert np.isfinite(probability).all()
    np.testing.assert_allclose(probability.sum(1), 1)


def test_explanation_is_the_forward_pass() -> None:
    X, y = mixed_table()
    classifier = TabNetClassifier(**QUICK, mask="entmax15").fit(X, y)
    explanation, masks = classifier.explain(X)
    assert explanation.shape == (200, 3)
    assert masks.shape == (2, 200, 3)
    np.testing.assert_allclose(masks.sum(2), 1, atol=1e-5)
    np.testing.assert_allclose(
        explanation.sum(0) / explanation.sum(), classifier.feature_importances_, atol=1e-5
    )
    shares, _ = classifier.explain(X, normalize=True)
    assert (np.isclose(shares.sum(1), 1, atol=1e-5) | (shares.sum(1) == 0)).all()


def test_grouped_columns_share_a_mask_entry() -> None:
    X, y = mixed_table()
    classifier = TabNetClassifier(**QUICK, grouped_features=[["noise", "city"]]).fit(X, y)
    _, masks = classifier.explain(X)
    np.testing.assert_allclose(masks[..., 0], masks[..., 1])
    with pytest.raises(InputError, match="disjoint"):
        TabNetClassifier(**QUICK, grouped_features=[[0, 1], [1]]).fit(X, y)


def test_sparse_input_gives_the_dense_numbers() -> None:
    X, y = make_classification(100, 12, random_state=0)
    X[np.abs(X) < 0.7] = 0
    dense = TabNetClassifier(**QUICK).fit(X, y)
    of_sparse = TabNetClassifier(**QUICK).fit(sparse.csr_matrix(X), y)
    np.testing.assert_allclose(
        dense.predict_proba(X), of_sparse.predict_proba(sparse.csr_matrix(X)), atol=1e-6
    )


def test_zero_weight_leaves_a_row_out() -> None:
    X, y = make_classification(120, 5, random_state=0)
    weights = np.ones(120)
    weights[100:] = 0
    with_weights = TabNetClassifier(**QUICK).fit(X, y, sample_weight=weights)
    X_other = X.copy()
    y_other = y.copy()
    y_other[100:] = 1 - y_other[100:]
    other = TabNetClassifier(**QUICK).fit(X_other, y_other, sample_weight=weights)
    np.testing.assert_array_equal(with_weights.predict_proba(X), other.predict_proba(X))


def test_weights_move_predictions() -> None:
    X, y = make_classification(200, 5, flip_y=0.3, random_state=0)
    plain = TabNetClassifier(**SMALL, max_epochs=5).fit(X, y)
    heavy = TabNetClassifier(**SMALL, max_epochs=5, class_weight={0: 1, 1: 20}).fit(X, y)
    by_row = TabNetClassifier(**SMALL, max_epochs=5).fit(X, y, sample_weight=1 + 19 * y)
    assert heavy.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.1
    np.testing.assert_allclose(heavy.predict_proba(X), by_row.predict_proba(X), atol=1e-6)


def test_early_stopping_on_a_named_set_keeps_the_best_epoch() -> None:
    X, y = make_classification(200, 6, random_state=0)
    seen: list[float] = []

    def logloss(y_true: Any, p: Any) -> float:
        return float(-np.log(p[np.arange(len(y_true)), y_true]).mean())

    def recorded(y_true: Any, p: Any) -> float:
        seen.append(logloss(y_true, p))
        return seen[-1]

    classifier = TabNetClassifier(
        **SMALL,
        max_epochs=40,
        patience=3,
        eval_metric=["accuracy", "auc", Metric("mine", recorded, maximise=False)],
    )
    sets = {"near": (X[100:150], y[100:150]), "far": (X[150:], 1 - y[150:])}
    classifier.fit(X[:100], y[:100], eval_set=sets, early_stopping_on="far")
    record = classifier.history_[0]
    assert {"near_accuracy", "far_accuracy", "far_auc", "near_mine", "far_mine"} < set(record)
    # "far" has the labels swapped: the fit cannot help it for long.
    assert classifier.n_iter_ < 40
    best = min(record["far_mine"] for record in classifier.history_)
    assert logloss(1 - y[150:], classifier.predict_proba(X[150:])) == pytest.approx(best, abs=1e-6)


def test_custom_loss() -> None:
    X, y = make_classification(100, 5, random_state=0)

    def label_smoothed(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, target, label_smoothing=0.3)

    smooth = TabNetClassifier(**SMALL, max_epochs=15, loss_fn=label_smoothed).fit(X, y)
    sharp = TabNetClassifier(**SMALL, max_epochs=15).fit(X, y)
    assert smooth.predict_proba(X).max(1).mean() < sharp.predict_proba(X).max(1).mean()
    with pytest.raises(InputError, match="one loss per row"):
        smooth.fit(X, y, sample_weight=1.0 + y)


def test_regressor_predicts_in_the_targets_units() -> None:
    X, y = make_regression(300, 5, noise=1, random_state=0)
    y = y * 10 + 5000
    regressor = TabNetRegressor(**SMALL, max_epochs=30, batch_size=64).fit(X, y)
    assert regressor.predict(X).shape == (300,)
    assert regressor.score(X, y) > 0.8

    def quantile(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        error = (target - predicted) / 1000
        return torch.maximum(0.9 * error, -0.1 * error)

    upper = TabNetRegressor(**SMALL, max_epochs=30, batch_size=64, loss_fn=quantile).fit(X, y)
    assert (upper.predict(X) > y).mean() > 0.7


def test_several_outputs() -> None:
    X, y = make_regression(200, 5, n_targets=3, random_state=0)
    y = y * np.array([1.0, 100.0, 0.01])
    regressor = TabNetRegressor(**SMALL, max_epochs=30, batch_size=64, eval_metric=["mae", "r2"])
    regressor.fit(X[:150], y[:150], eval_set={"rest": (X[150:], y[150:])})
    assert regressor.predict(X).shape == (200, 3)
    assert regressor.score(X[:150], y[:150]) > 0.5
    assert "rest_r2" in regressor.history_[-1]


def test_several_tasks() -> None:
    X, y = load_wine(return_X_y=True)
    tasks = pd.DataFrame({"wine": np.array(["a", "b", "c"])[y], "strong": X[:, 0] > 13})
    estimator = TabNetMultiTaskClassifier(**SMALL, max_epochs=30, batch_size=32)
    estimator.fit(X[::2], tasks[::2], eval_set={"rest": (X[1::2], tasks[1::2])})
    assert [list(c) for c in estimator.classes_] == [["a", "b", "c"], [False, True]]
    assert [p.shape for p in estimator.predict_proba(X)] == [(178, 3), (178, 2)]
    assert estimator.predict(X).shape == (178, 2)
    assert estimator.score(X[1::2], tasks[1::2]) > 0.8
    with pytest.raises(InputError, match="one function or one per task"):
        TabNetMultiTaskClassifier(**QUICK, loss_fn=[F.cross_entropy]).fit(X, tasks)


def test_pretraining_hands_over_table_sizes_and_weights() -> None:
    X, y = mixed_table()
    pretrainer = TabNetPretrainer(**QUICK, n_d=5, pretraining_ratio=0.4)
    pretrainer.fit(X, eval_set={"rest": X[:50]})
    assert "rest_loss" in pretrainer.history_[-1]
    assert pretrainer.transform(X).shape == (200, 5)
    frozen = TabNetClassifier(**SMALL, max_epochs=1, learning_rate=0.0, momentum=0.02)
    frozen.fit(X, y, from_unsupervised=pretrainer)
    assert frozen.config_["n_d"] == 5
    weights = pretrainer.network_.encoder.attention_maps[0].weight
    torch.testing.assert_close(frozen.network_.encoder.attention_maps[0].weight, weights)
    with pytest.raises(InputError, match="another table"):
        TabNetClassifier(**QUICK).fit(X[["noise", "age"]], y, from_unsupervised=pretrainer)


def test_pretraining_learns_to_fill_in() -> None:
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(400, 2)), 4, axis=1)
    pretrainer = TabNetPretrainer(**SMALL, max_epochs=40, batch_size=64, pretraining_ratio=0.3)
    pretrainer.fit(X)
    # Every column has three copies: hidden values can be read off; the mean alone gives 1.
    assert pretrainer.history_[-1]["loss"] < 0.6


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (TabNetClassifier(**QUICK, class_weight="balanced"), lambda y: y),
        (TabNetRegressor(**QUICK), lambda y: (y == "yes") * 3.0),
        (TabNetMultiTaskClassifier(**QUICK), lambda y: np.stack([y, y[::-1]], 1)),
    ],
    ids=["classifier", "regressor", "multi_task"],
)
def test_save_and_load(estimator: Any, target: Any, tmp_path: Path) -> None:
    X, y = mixed_table()
    estimator.fit(X, target(y))
    estimator.save(tmp_path / "model")
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"config.json", "model.safetensors"}
    again = type(estimator).load(tmp_path / "model")
    assert again.get_params() == estimator.get_params()
    np.testing.assert_array_equal(again.predict(X), estimator.predict(X))
    np.testing.assert_array_equal(again.explain(X)[0], estimator.explain(X)[0])
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(X[["city", "noise", "age"]])


def test_load_refuses_what_is_not_a_saved_estimator(tmp_path: Path) -> None:
    X, y = mixed_table()
    with pytest.raises(MissingFileError, match="Found no config.json"):
        TabNetClassifier.load(tmp_path)
    TabNetClassifier(**QUICK).fit(X, y).save(tmp_path)
    with pytest.raises(InputError, match="Found TabNetClassifier"):
        TabNetRegressor.load(tmp_path)
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(InputError, match="another SHA-256"):
        TabNetClassifier.load(tmp_path)
    for text in ("{}", "[", "[]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(InputError, match="describes no saved estimator, or is damaged"):
            TabNetClassifier.load(tmp_path)


def test_evaluation_sets_need_names() -> None:
    X, y = mixed_table()
    with pytest.raises(InputError, match="eval_set must be of class Mapping. Found list"):
        TabNetClassifier(**QUICK).fit(X, y, eval_set=[(X, y)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_shared": 0, "n_independent": 0}, "no gated linear unit"),
        ({"gamma": 0.9}, "gamma is too small. Found 0.9. Pass 1 or more"),
        ({"n_steps": 0}, "n_steps is too small"),
        ({"virtual_batch_size": 1}, "virtual_batch_size is too small"),
        ({"mask": "argmax"}, "names no activation"),
        ({"eval_metric": "f2"}, "no metric named 'f2'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    X, y = mixed_table(20)
    with pytest.raises(InputError, match=message):
        TabNetClassifier(**{**QUICK, **options}).fit(X, y, eval_set={"same": (X, y)})


def test_bad_targets_and_sets_are_refused() -> None:
    X, y = mixed_table(20)
    with pytest.raises(InputError, match="two classes"):
        TabNetClassifier(**QUICK).fit(X, np.zeros(20, int))
    with pytest.raises(InputError, match="classes that training did not"):
        TabNetClassifier(**QUICK).fit(X, y, eval_set={"a": (X, np.full(20, "maybe"))})
    with pytest.raises(InputError, match="names no evaluation set"):
        TabNetClassifier(**QUICK).fit(X, y, eval_set={"a": (X, y)}, early_stopping_on="b")
    with pytest.raises(InputError, match="two classes"):
        TabNetMultiTaskClassifier(**QUICK).fit(X, np.stack([y, np.full(20, "x")], 1))
    with pytest.raises(InputError, match="pretraining_ratio"):
        TabNetPretrainer(**QUICK, pretraining_ratio=1.0).fit(X)
