from __future__ import annotations

import contextlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.data.decoders import hdf5_decoder

LZF = 32000


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(40, 3000),
    period=st.sampled_from([1, 2, 3, 7, 8, 15, 16, 17, 40, 300, 9000]),
    noise=st.sampled_from([0.0, 0.01, 0.2]),
)
def test_lzf_gives_what_the_hdf5_library_reads(seed, size, period, noise):
    rng = np.random.default_rng(seed)
    values = np.resize(rng.integers(0, 256, period), size).astype(np.uint8)
    values[rng.random(size) < noise] = rng.integers(0, 256)
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("x", data=values, chunks=(size,), compression="lzf")
        mask, raw = data.id.read_direct_chunk((0,))
    if mask:  # could not be made smaller, and was stored as it is
        return
    decode = hdf5_decoder([LZF], 1, size)
    assert np.array_equal(decode(raw), values)
    for n_bytes in (size - 1, size + 1):
        with pytest.raises(ValueError, match="LZF"):
            hdf5_decoder([LZF], 1, n_bytes)(raw)


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=400), n_bytes=st.integers(1, 300))
def test_damaged_lzf_is_noticed_and_nothing_else_is_touched(raw, n_bytes):
    with contextlib.suppress(ValueError):
        assert len(hdf5_decoder([LZF], 1, n_bytes)(raw)) == n_bytes
