"""Random numbers that depend on what they are for, not on the order in which they are drawn."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def _shift_right(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


def keyed_uniform(*keys: Tensor | int) -> Tensor:
    """Uniform numbers in (0, 1) as a pure function of integer keys.

    A counter-based generator: SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014) chained
    over the keys. The same (seed, epoch, row, gene) gives the same number on every device, in
    every process and in any order, which is what makes masks independent of column order and of
    the number of processes.

    Parameters
    ----------
    keys
        Integers or int64 tensors that broadcast against each other.

    Returns
    -------
    float32 tensor of the broadcast shape, with 23 random bits, never 0 or 1.
    """
    device = next((k.device for k in keys if isinstance(k, Tensor)), torch.device("cpu"))
    tensors = [torch.as_tensor(k, dtype=torch.int64, device=device) for k in keys]
    state = reduce(
        lambda state, key: _mix((state ^ key) + _GOLDEN),
        tensors,
        torch.zeros((), dtype=torch.int64, device=device),
    )
    return (_shift_right(state, 41).to(torch.float32) + 0.5) / (1 << 23)
