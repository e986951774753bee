from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.data.chunked_array import ChunkedArray

SIZE, CHUNK = 103, 10


@pytest.fixture(scope="module", params=["raw", "deflate"])
def stored(request, tmp_path_factory):
    """Chunks in two files, in no order."""
    array = np.arange(SIZE, dtype=np.int32) * 3
    folder = tmp_path_factory.mktemp("chunks")
    paths = [str(folder / "a"), str(folder / "b")]
    files = [bytearray(b"head"), bytearray()]
    n_chunks = -(-SIZE // CHUNK)
    where = np.zeros((3, n_chunks), np.int64)
    for chunk in np.random.default_rng(0).permutation(n_chunks):
        part = np.zeros(CHUNK, np.int32)
        own = array[chunk * CHUNK : (chunk + 1) * CHUNK]
        part[: len(own)] = own
        raw = part.tobytes() if request.param == "raw" else zlib.compress(part.tobytes())
        file = files[chunk % 2]
        where[:, chunk] = chunk % 2, len(file), len(raw)
        file += raw
    for path, content in zip(paths, files, strict=True):
        Path(path).write_bytes(content)
    decode = None if request.param == "raw" else zlib.decompress

    def opened():
        return ChunkedArray(
            "test", dtype=array.dtype, size=SIZE, chunk_size=CHUNK, paths=paths,
            file_of_chunk=where[0], offsets=where[1], n_bytes=where[2], decode=decode,
        )  # fmt: skip

    return array, opened, paths


@settings(deadline=None, max_examples=80)
@given(
    ranges=st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(sorted), max_size=6),
    dtype=st.sampled_from([np.int32, np.float64]),
)
def test_ranges_equal_slices(stored, ranges, dtype):
    array, opened, _ = stored
    starts = np.array([a for a, _ in ranges], np.int64)
    stops = np.array([b for _, b in ranges], np.int64)
    out = np.empty((stops - starts).sum(), dtype)
    opened().read(starts, stops, out)
    expected = [array[a:b] for a, b in ranges]
    np.testing.assert_array_equal(out, np.concatenate([np.empty(0), *expected]))


def test_a_changed_file_is_noticed(stored):
    _, opened, paths = stored
    array = opened()
    os.utime(paths[0], ns=(1, 1))
    with pytest.raises(ValueError, match="was changed while it was in use"):
        array.read(np.array([0]), np.array([SIZE]), np.empty(SIZE, np.int32))


def test_a_short_file_is_noticed_at_once(stored, tmp_path):
    with pytest.raises(ValueError, match="ends too early"):
        (tmp_path / "short").write_bytes(b"123")
        ChunkedArray(
            "test", dtype=np.dtype(np.int32), size=2, chunk_size=2, paths=[str(tmp_path / "short")],
            file_of_chunk=np.array([0]), offsets=np.array([0]), n_bytes=np.array([8]),
        )  # fmt: skip


def test_bytes_that_cannot_be_decoded(tmp_path):
    (tmp_path / "noise").write_bytes(b"12345678")
    array = ChunkedArray(
        "test", dtype=np.dtype(np.int32), size=2, chunk_size=2, paths=[str(tmp_path / "noise")],
        file_of_chunk=np.array([0]), offsets=np.array([0]), n_bytes=np.array([8]),
        decode=zlib.decompress,
    )  # fmt: skip
    with pytest.raises(ValueError, match="test is damaged"):
        array.read(np.array([0]), np.array([2]), np.empty(2, np.int32))


def test_offsets_beyond_four_gigabytes(tmp_path):
    offset = 2**33 + 8
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.seek(offset)
        file.write(np.arange(4, dtype=np.int32).tobytes())
    array = ChunkedArray(
        "test", dtype=np.dtype(np.int32), size=4, chunk_size=4, paths=[str(path)],
        file_of_chunk=np.array([0]), offsets=np.array([offset]), n_bytes=np.array([16]),
    )  # fmt: skip
    out = np.empty(2, np.int32)
    array.read(np.array([1]), np.array([3]), out)
    assert out.tolist() == [1, 2]
