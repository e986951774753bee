from __future__ import annotations

import torch

from sctabnet.nn.embedding_columns import CategoricalColumn, EmbeddingColumns


def test_columns_keep_their_order() -> None:
    embedding = EmbeddingColumns(4, (CategoricalColumn(1, 3, 2), CategoricalColumn(2, 5, 1)))
    assert embedding.n_embedded == 5
    assert embedding.column_of_e.tolist() == [0, 1, 1, 2, 3]
    x_ng = torch.tensor([[0.5, 2, 4, -1.0], [1.5, 0, 3, -2.0]])
    out_ne = embedding(x_ng)
    torch.testing.assert_close(out_ne[:, [0, 4]], x_ng[:, [0, 3]])
    torch.testing.assert_close(out_ne[:, 1:3], embedding.tables[0].weight[[2, 0]])
    torch.testing.assert_close(out_ne[:, 3:4], embedding.tables[1].weight[[4, 3]])


def test_numbers_pass_untouched() -> None:
    x_ng = torch.randn(3, 4)
    assert EmbeddingColumns(4)(x_ng) is x_ng
