"""The training loop of the tabular estimators."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from sctabnet.tabular.learning_rate_share import learning_rate_share


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTraining:
    """How long, how fast, and when to stop."""

    max_epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    clip_value: float | None
    patience: int
    seed: int


def train_table(
    network: nn.Module,
    n: int,
    loss_of_rows: Callable[[Tensor, torch.Generator], Tensor],
    evaluate: Callable[[], tuple[dict[str, float], float]] | None,
    training: TableTraining,
) -> list[dict[str, float]]:
    """Fit ``network`` in place and return one record per epoch.

    Every epoch visits every row once, in random order, in minibatches of nearly equal size (no
    short last one, none dropped). With ``evaluate``, training stops when ``patience`` epochs bring
    no better value, and the best epoch's weights come back.

    Parameters
    ----------
    network
        Module in training mode on return of no call but this; left in evaluation mode.
    n
        Number of rows.
    loss_of_rows
        Maps int64 row numbers and a seeded generator to a scalar loss.
    evaluate
        Returns what to record, and one number to be maximised; called in evaluation mode.
    training
        Sizes and rates.
    """
    device = next(network.parameters()).device
    optimiser = torch.optim.Adam(
        network.parameters(), lr=training.lr, weight_decay=training.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(training.seed)
    n_minibatches = ceil(n / training.batch_size)
    n_steps = training.max_epochs * n_minibatches
    history: list[dict[str, float]] = []
    best_value, best_epoch = -float("inf"), -1
    best_state = deepcopy(network.state_dict())
    for epoch in range(training.max_epochs):
        network.train()
        total = torch.zeros((), device=device)
        order = torch.randperm(n, generator=generator).to(device)
        for i, rows in enumerate(order.tensor_split(n_minibatches)):
            progress = (epoch * n_minibatches + i + 1) / n_steps
            for group in optimiser.param_groups:
                group["lr"] = training.lr * learning_rate_share(progress)
            optimiser.zero_grad()
            loss = loss_of_rows(rows, generator)
            loss.backward()
            if training.clip_value is not None:
                nn.utils.clip_grad_norm_(network.parameters(), training.clip_value)
            optimiser.step()
            total += loss.detach() * len(rows)
        history.append({"epoch": epoch, "loss": float(total) / n})
        if evaluate is None:
            continue
        network.eval()
        record, value = evaluate()
        history[-1].update(record)
        if value > best_value:
            best_value, best_epoch = value, epoch
            best_state = deepcopy(network.state_dict())
        elif epoch - best_epoch >= training.patience:
            break
    if best_epoch >= 0:
        network.load_state_dict(best_state)
    network.eval()
    return history
