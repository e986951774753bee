from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

try:  # two to three times faster than zlib; there are wheels for the usual machines
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
    out = np.empty(n_bytes + _SLACK, np.uint8)
    if _lzf_decode(raw, out) != n_bytes:
        raise ValueError("LZF data of a wrong length")
    return out[:n_bytes]


_SLACK = 32  # bytes that copying in whole words may write past the end


def _copy16_lowering(typingctx, target, source):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = context.get_value_type(types.uint64).as_pointer()
        there, here = (builder.inttoptr(address, pointer) for address in args)
        for half in (0, 1):
            at = context.get_constant(types.intp, half)
            value = builder.load(builder.gep(here, [at]), align=1)
            builder.store(value, builder.gep(there, [at]), align=1)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp), codegen


_copy16: Any = intrinsic(_copy16_lowering)


@numba.njit(nogil=True, cache=True)
def _lzf_decode(raw: Any, out: Any) -> Any:
    """LibLZF's format: literals, and references to at most 8 kB back. -1 if it is damaged.

    ``out`` has ``_SLACK`` bytes more than are wanted. Unsigned positions save a test of the sign at
    every access.
    """
    one, word = np.uintp(1), np.uintp(16)
    source, target = np.uintp(raw.ctypes.data), np.uintp(out.ctypes.data)
    n_raw, n_out = np.uintp(len(raw)), np.uintp(len(out) - _SLACK)
    at, filled = np.uintp(0), np.uintp(0)
    while at < n_raw:
        control = np.uintp(raw[at])
        at += one
        if control < np.uintp(32):
            length = control + one
            if at + length > n_raw or filled + length > n_out:
                return -1
            if at + np.uintp(32) <= n_raw:
                _copy16(target + filled, source + at)
                if length > word:
                    _copy16(target + filled + word, source + at + word)
            else:
                for j in range(length):
                    out[filled + j] = raw[at + j]
            at += length
            filled += length
        else:
            length = (control >> np.uintp(5)) + np.uintp(2)
            is_long = np.uintp(length == np.uintp(9))
            if at + one + is_long > n_raw:
                return -1
            if is_long:
                length += np.uintp(raw[at])
                at += one
            distance = ((control & np.uintp(31)) << np.uintp(8)) + np.uintp(raw[at]) + one
            at += one
            end = filled + length
            if distance > filled or end > n_out:
                return -1
            if distance >= word:
                while filled < end:
                    _copy16(target + filled, target + filled - distance)
                    filled += word
                filled = end
            else:  # the bytes repeat what was only just written
                while filled < end:
                    out[filled] = out[filled - distance]
                    filled += one
    return np.int64(filled)
