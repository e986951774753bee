"""One tensor laid out over the processes as another is."""

from __future__ import annotations

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def shard_like(whole: Tensor, target: Tensor) -> Tensor:
    """Return this process's part of ``whole`` if ``target`` is sharded, else all of it.

    Sharded, this is a collective: every process must call it, and holds what the first gave.

    Parameters
    ----------
    whole
        Any shape; not sharded.
    target
        Same shape; sharded or not.

    Returns
    -------
    On the device of ``target``, with its sharding.
    """
    if not isinstance(target, DTensor):
        return whole.to(target.device)
    return distribute_tensor(whole.to(target.device), target.device_mesh, target.placements)
