"""Make the batch norms' running statistics those of one process, on any number of processes."""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torch.distributed as dist
from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.nn.ghost_batch_norm import GhostBatchNorm


class ReduceRunningStatistics(lightning.Callback):
    r"""After every step, combine what each process's ghost minibatches left.

    A process that visits m ghost minibatches leaves :math:`r' = k r + s` with
    :math:`k = (1 - \text{momentum})^m`; visiting those of all processes one after the other, in
    the order of ranks, leaves the composition of these maps, which is what every process then
    holds. A ghost minibatch never straddles processes. With one process nothing is done.
    """

    def __init__(self) -> None:
        self._norms: list[GhostBatchNorm] = []
        self._before: list[list[Tensor]] = []

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Find the norms."""
        if trainer.world_size > 1:
            norms = (m for m in pl_module.modules() if isinstance(m, GhostBatchNorm))
            self._norms = [norm for norm in norms if norm.ghost_size]

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        """Remember the statistics before the step."""
        self._before = [_statistics(norm) for norm in self._norms]

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Minibatch,
        batch_idx: int,
    ) -> None:
        """Compose the changes of all processes."""
        for norm, before in zip(self._norms, self._before, strict=True):
            chunks = batch.weights.chunk(-(-len(batch) // norm.ghost_size))
            visited = sum(int((weights > 0).sum() > 1) for weights in chunks)
            kept = (1 - norm.momentum) ** visited
            factor = before[0].new_tensor(kept)
            factors = [torch.empty_like(factor) for _ in range(trainer.world_size)]
            dist.all_gather(factors, factor)
            after = [norm.running_mean_d, norm.running_variance_d]
            for old, new in zip(before, after, strict=True):
                shares = [torch.empty_like(new) for _ in range(trainer.world_size)]
                dist.all_gather(shares, new - kept * old)
                new.copy_(old)
                for share, k in zip(shares, factors, strict=True):
                    new.mul_(k).add_(share)


def _statistics(norm: GhostBatchNorm) -> list[Tensor]:
    return [norm.running_mean_d.clone(), norm.running_variance_d.clone()]
