from __future__ import annotations

import torch
from torch import Tensor, nn

from sctabnet.tabular.learning_rate_share import learning_rate_share
from sctabnet.tabular.train_table import TableTraining, train_table

TRAINING = TableTraining(
    max_epochs=20, batch_size=4, lr=0.1, weight_decay=0, clip_value=1, patience=3, seed=0
)


def test_learning_rate_rises_then_falls_to_zero() -> None:
    shares = [learning_rate_share(i / 100) for i in range(101)]
    assert shares[0] == 0
    assert max(shares) == shares[10] == 1
    assert abs(shares[100]) < 1e-12


def test_every_row_once_per_epoch_in_equal_minibatches() -> None:
    seen: list[Tensor] = []
    module = nn.Linear(1, 1)

    def loss(rows: Tensor, _generator: torch.Generator) -> Tensor:
        seen.append(rows)
        return module(torch.ones(1, 1)).square().sum()

    train_table(module, 9, loss, None, TRAINING)
    assert [len(rows) for rows in seen[:3]] == [3, 3, 3]
    for epoch in range(20):
        assert sorted(torch.cat(seen[3 * epoch : 3 * epoch + 3]).tolist()) == list(range(9))
    assert not torch.equal(torch.cat(seen[:3]), torch.cat(seen[3:6]))


def test_stops_after_patience_and_returns_to_the_best_epoch() -> None:
    module = nn.Linear(1, 1, bias=False)
    values = iter([0.0, 2.0, 1.0, 1.5, 0.5, 9.0])
    weights = []

    def evaluate() -> tuple[dict[str, float], float]:
        weights.append(module.weight.detach().clone())
        return {}, next(values)

    history = train_table(
        module, 8, lambda _rows, _generator: module.weight.sum(), evaluate, TRAINING
    )
    assert len(history) == 5
    assert torch.equal(module.weight, weights[1])
    assert not module.training
