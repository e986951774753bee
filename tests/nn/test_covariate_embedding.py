from __future__ import annotations

import torch

from sctabnet.nn.covariate_embedding import CovariateEmbedding


def test_is_the_sum_of_the_rows_of_the_levels():
    embedding = CovariateEmbedding([3, 2], 5)
    codes = torch.tensor([[0, 0], [3, 1], [2, 2]])
    first, second = embedding.tables
    assert first.weight.shape == (4, 5) and second.weight.shape == (3, 5)
    expected = first.weight[[0, 3, 2]] + second.weight[[0, 1, 2]]
    torch.testing.assert_close(embedding(codes), expected)


def test_a_dropped_covariate_is_unknown():
    embedding = CovariateEmbedding([3, 2], 5, dropout=0.5)
    codes, uniform = torch.tensor([[3, 1], [3, 1]]), torch.tensor([[0.4, 0.6], [0.9, 0.1]])
    expected = embedding(torch.tensor([[0, 1], [3, 0]]))
    torch.testing.assert_close(embedding(codes, uniform), expected)
    torch.testing.assert_close(embedding(codes, torch.ones(2, 2)), embedding(codes))
