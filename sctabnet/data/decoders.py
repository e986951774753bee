from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

try:  # two to three times faster than zlib, where it is installed
    from isal.isal_zlib import decompress as _inflate
except ImportError:
    _inflate = zlib.decompress

Decode = Callable[[Any], Any]


def hdf5_decoder(filters: Sequence[int], itemsize: int, n_bytes: int) -> Decode | None:
    """Return what undoes a chain of HDF5 filters, or None if one of them is unknown here.

    Parameters
    ----------
    filters
        Numbers of the filters in the order of writing: 1 deflate, 2 shuffle, 32000 LZF, 32015 zstd.
    itemsize
        Bytes of an entry.
    n_bytes
        Bytes of a decoded chunk.
    """
    known: dict[int, Decode] = {
        1: lambda raw: _inflate(raw, bufsize=n_bytes),
        2: lambda raw: _unshuffle(raw, itemsize),
        32000: lambda raw: _lzf(np.frombuffer(raw, np.uint8), n_bytes),
        32015: _numcodecs({"id": "zstd"}),
    }
    if any(number not in known for number in filters):
        return None
    return _chain([known[number] for number in reversed(filters)])


def zarr_decoder(codecs: Sequence[Mapping[str, Any]]) -> Decode | None:
    """Return what undoes a chain of zarr codecs, or None if one of them is unknown here.

    Parameters
    ----------
    codecs
        numcodecs configurations (with ``id``) in the order of writing.
    """
    try:
        return _chain([_numcodecs(codec) for codec in reversed(codecs)])
    except ValueError:
        return None


def _numcodecs(configuration: Mapping[str, Any]) -> Decode:
    from numcodecs import get_codec  # zarr brings it

    return get_codec(dict(configuration)).decode


def _chain(steps: Sequence[Decode]) -> Decode:
    def decode(raw: Any) -> Any:
        for step in steps:
            raw = step(raw)
        return raw

    return decode


def _unshuffle(raw: Any, itemsize: int) -> NDArray[np.uint8]:
    planes = np.frombuffer(raw, np.uint8).reshape(itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1)


def _lzf(raw: NDArray[np.uint8], n_bytes: int) -> NDArray[np.uint8]:
    out = np.empty(n_bytes, np.uint8)
    if _lzf_decode(raw, out) != n_bytes:
        raise ValueError("LZF data of a wrong length")
    return out


@numba.njit(nogil=True, cache=True)
def _lzf_decode(raw: Any, out: Any) -> Any:
    """LibLZF's format: literals, and references to at most 8 kB back. -1 if it is damaged."""
    at, filled = np.int64(0), np.int64(0)
    while at < len(raw):
        control = np.int64(raw[at])
        at += 1
        if control < 32:
            length = control + 1
            if at + length > len(raw) or filled + length > len(out):
                return -1
            for j in range(length):
                out[filled + j] = raw[at + j]
            at += length
        else:
            length = control >> 5
            if at + 1 + (length == 7) > len(raw):
                return -1
            if length == 7:
                length += np.int64(raw[at])
                at += 1
            back = filled - ((control & 31) << 8) - np.int64(raw[at]) - 1
            at += 1
            length += 2
            if back < 0 or filled + length > len(out):
                return -1
            for j in range(length):
                out[filled + j] = out[back + j]
        filled += length
    return filled
