"""One tensor laid out over the processes as another is."""

from __future__ import annotations

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def shard_like(whole: Tensor, target: Tensor) -> Tensor:
    """Return this process's part of ``whole``, which all processes hold, if ``target`` is sharded.

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
    return distribute_tensor(
        whole.to(target.device), target.device_mesh, target.placements, src_data_rank=None
    )
