from __future__ import annotations

import gc

import numpy as np
import torch

from sctabnet.data.buffer_pool import BufferPool


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_only_when_nobody_refers_to_it():
    pool = BufferPool()
    first = pool.take(np.dtype(np.float32), 1000)
    view = torch.from_numpy(first[10:20])
    where = address(first)
    del first
    gc.collect()
    second = pool.take(np.dtype(np.float32), 1000)
    assert address(second) != where  # the tensor still lives
    del view, second
    third = pool.take(np.dtype(np.int64), 490)
    fourth = pool.take(np.dtype(np.float32), 1000)
    assert where in (address(third), address(fourth))
    assert third.dtype == np.int64 and len(third) == 490


def test_memory_of_other_sizes_is_given_back():
    pool = BufferPool()
    pool.take(np.dtype(np.uint8), 1000)
    pool.take(np.dtype(np.uint8), 100_000)
    assert len(pool._free) == 1 and pool._free[0].nbytes > 100_000


def test_no_entries():
    assert len(BufferPool().take(np.dtype(np.float32), 0)) == 0
