from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris, load_wine

from sctabnet.nn.dense_encoder import DenseConfig
from sctabnet.nn.dense_tabnet import DenseTabNet
from sctabnet.nn.feature_permutation import feature_permutation
from sctabnet.tabular import TabNetClassifier


def test_it_is_the_change_of_outputs_and_of_masks_put_back_in_place():
    torch.manual_seed(0)
    network = DenseTabNet(5, (3,), config=DenseConfig()).train()
    x = torch.randn(20, 5)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    plain = network(x)
    seen = {name: buffer.clone() for name, buffer in network.named_buffers()}
    assert any(not torch.equal(before[name], seen[name]) for name in before)
    same = feature_permutation(network, x, plain, torch.arange(5))
    torch.testing.assert_close(same, torch.zeros(()))
    order = torch.tensor([2, 0, 1, 4, 3])
    found = feature_permutation(network, x, plain, order)
    assert all(torch.equal(seen[name], buffer) for name, buffer in network.named_buffers())
    other = network(x[:, order])
    back = torch.empty_like(other.masks_sng)
    back[:, :, order] = other.masks_sng
    expected = (other.outputs[0] - plain.outputs[0]).square().mean()
    expected = expected + (back - plain.masks_sng).square().mean()
    torch.testing.assert_close(found, expected)
    found.backward()


def test_a_strong_penalty_forgets_what_tells_columns_apart():
    X, y = load_wine(return_X_y=True)
    options = {"random_state": 0, "max_epochs": 15}
    plain = TabNetClassifier(**options).fit(X, y)
    literal = TabNetClassifier(permutation_prob=1.0, reg_weight=100.0, **options).fit(X, y)
    assert plain.score(X, y) > 0.95
    assert literal.score(X, y) < plain.score(X, y) - 0.1


def test_columns_that_cannot_be_permuted_are_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=r"permutation_prob must lie in \[0, 1\].*Found 2"):
        TabNetClassifier(permutation_prob=2).fit(X, y)
    with pytest.raises(ValueError, match="Found 1 categorical columns and 0 groups"):
        X = np.column_stack([X, y])
        TabNetClassifier(permutation_prob=0.5, categorical_features=[4]).fit(X, y)
