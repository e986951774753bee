"""scikit-learn's own estimator checks, with the exceptions that a network needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from sctabnet.tabular import (
    TabNetClassifier,
    TabNetMultiTaskClassifier,
    TabNetPretrainer,
    TabNetRegressor,
)
from sctabnet.tabular.tabnet_base import TabNetBase

SMALL: dict[str, Any] = {
    "n_steps": 1,
    "n_shared": 1,
    "n_independent": 1,
    "max_epochs": 2,
    "random_state": 0,
}
# Some checks ask for a fair score on a few hundred rows.
LEARNS: dict[str, Any] = {**SMALL, "max_epochs": 12, "batch_size": 64}

WEIGHTS = (
    "minibatches are drawn from the rows, so repeating a row is not the same fit as doubling its "
    "weight; test_supervised.py shows what holds: zero weight leaves a row out"
)
FLOAT32 = (
    "a float32 matrix product rounds by the number of rows it is given; the check wants 1e-7, "
    "differences are of the order of 1e-6"
)
ONE_TARGET = "the check passes one column of labels; this estimator takes a table of them"

EXCEPTIONS = {
    "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": WEIGHTS,
    "check_methods_subset_invariance": FLOAT32,
    "check_methods_sample_order_invariance": FLOAT32,
}
MULTI_TASK_EXCEPTIONS = dict.fromkeys(
    (
        "check_classifiers_one_label",
        "check_classifiers_one_label_sample_weights",
        "check_classifiers_classes",
        "check_classifiers_train",
        "check_classifiers_regression_target",
        "check_estimator_sparse_array",
        "check_estimator_sparse_matrix",
    ),
    ONE_TARGET,
)


def cases() -> Iterator[tuple[Any, Any]]:
    for estimator in (
        TabNetClassifier(**LEARNS),
        TabNetRegressor(**LEARNS),
        TabNetMultiTaskClassifier(**SMALL),
        TabNetPretrainer(**SMALL),
    ):
        multi_task = isinstance(estimator, TabNetMultiTaskClassifier)
        excepted = EXCEPTIONS | (MULTI_TASK_EXCEPTIONS if multi_task else {})
        # Skipped, not expected to fail: rounding may also turn out well.
        yield from estimator_checks_generator(
            estimator, expected_failed_checks=excepted, mark="skip"
        )


def case_name(value: Any) -> str:
    return type(value).__name__ if isinstance(value, TabNetBase) else _check_name(value)


def _check_name(check: Any) -> str:
    options = {k: v for k, v in getattr(check, "keywords", {}).items() if isinstance(v, bool | str)}
    return " ".join([getattr(check, "func", check).__name__, *map(str, options.items())])


@pytest.mark.parametrize(("estimator", "check"), list(cases()), ids=case_name)
def test_check_estimator(estimator: Any, check: Any) -> None:
    check(estimator)
