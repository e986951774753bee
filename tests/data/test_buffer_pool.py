from __future__ import annotations

import gc

import numpy as np
import torch

from sctabnet.data.buffer_pool import BufferPool


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_only_when_nobody_refers_to_it():
    pool = BufferPool()
    first = pool.take("values", np.dtype(np.float32), 1000)
    view = torch.from_numpy(first[10:20])
    where = address(first)
    del first
    gc.collect()
    second = pool.take("values", np.dtype(np.float32), 1000)
    assert address(second) != where  # the tensor still lives
    del view
    assert address(pool.take("genes", np.dtype(np.float32), 1000)) != where  # for another purpose
    third = pool.take("values", np.dtype(np.int64), 490)
    assert address(third) == where
    assert third.dtype == np.int64 and len(third) == 490


def test_memory_that_is_too_small_is_given_back():
    pool = BufferPool()
    pool.take("values", np.dtype(np.uint8), 1000)
    where = address(pool.take("values", np.dtype(np.uint8), 100_000))
    assert [array.nbytes > 100_000 for array in pool._free["values"]] == [True]
    assert address(pool.take("values", np.dtype(np.uint8), 1000)) == where


def test_no_entries():
    assert len(BufferPool().take("values", np.dtype(np.float32), 0)) == 0
