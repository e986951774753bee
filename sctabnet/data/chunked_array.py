from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sctabnet._errors import InputError

Decode = Callable[[bytes], Any]


class ChunkedArray:
    """An :class:`EntryArray` whose chunks are read from files by byte offset.

    HDF5 and zarr store an array as chunks of bytes. Once it is known where they lie, no library is
    needed to read them: uncompressed ones go straight into the result, compressed ones are decoded
    by several threads at once, which HDF5's global lock forbids.

    Parameters
    ----------
    name
        What messages call the array.
    dtype, size, chunk_size
        Type and number of the entries, and of those of a chunk (the last one may be shorter on disk
        if it is not compressed).
    paths
        Files that hold chunks. They must stay as they are.
    file_of_chunk, offsets, n_bytes
        Where each chunk lies: number in ``paths``, first byte, and length.
    decode
        Turns the bytes of a chunk into those of its entries; None if they are the same.
    """

    def __init__(
        self,
        name: str,
        *,
        dtype: np.dtype[Any],
        size: int,
        chunk_size: int,
        paths: Sequence[str],
        file_of_chunk: NDArray[np.int64],
        offsets: NDArray[np.int64],
        n_bytes: NDArray[np.int64],
        decode: Decode | None = None,
    ) -> None:
        self.dtype, self.size = dtype, size
        self._name, self._chunk_size, self._decode = name, chunk_size, decode
        self._file_of_chunk, self._offsets, self._n_bytes = file_of_chunk, offsets, n_bytes
        self._files = [_File(path) for path in paths]
        for number, file in enumerate(self._files):
            mine = file_of_chunk == number
            if mine.any() and (offsets[mine] + n_bytes[mine]).max() > file.size:
                raise self._damaged(f"{file.size} bytes in {file.path}, which ends too early")

    def read(self, starts: NDArray[np.int64], stops: NDArray[np.int64], out: NDArray[Any]) -> None:
        """See :meth:`EntryArray.read`.

        Raises
        ------
        ValueError
            If a file was changed since it was opened, or a chunk cannot be read or decoded.
        """
        if out.dtype != self.dtype:
            raw = np.empty(len(out), self.dtype)
            self.read(starts, stops, raw)
            out[:] = raw
        elif self._decode is None:
            self._read_raw(starts, stops, out)
        else:
            self._read_decoded(starts, stops, out)

    def _read_raw(
        self, starts: NDArray[np.int64], stops: NDArray[np.int64], out: NDArray[Any]
    ) -> None:
        chunk, low, high, position = self._pieces(starts, stops)
        item = self.dtype.itemsize
        first_byte = self._offsets[chunk] + (low - chunk * self._chunk_size) * item
        n_bytes = (high - low) * item
        file = self._file_of_chunk[chunk]
        follows = (first_byte[1:] == first_byte[:-1] + n_bytes[:-1]) & (file[1:] == file[:-1])
        begins = np.flatnonzero(np.concatenate([[True], ~follows]))[: len(chunk)]
        totals = np.add.reduceat(n_bytes, begins) if len(begins) else n_bytes
        target = memoryview(out.view(np.uint8))  # type: ignore[arg-type]
        for number in np.unique(file[begins]).tolist():
            mine = file[begins] == number
            requests = (first_byte[begins[mine]], position[begins[mine]] * item, totals[mine])
            with self._files[number].open() as descriptor:
                for offset, at, n in zip(*(r.tolist() for r in requests), strict=True):
                    self._files[number].read(descriptor, offset, target[at : at + n])

    def _read_decoded(
        self, starts: NDArray[np.int64], stops: NDArray[np.int64], out: NDArray[Any]
    ) -> None:
        chunk, low, high, position = self._pieces(starts, stops)
        order = np.argsort(chunk, kind="stable")
        begins = np.flatnonzero(np.diff(chunk[order], prepend=-1))
        groups = np.split(order, begins[1:]) if len(begins) else []

        def copy_from_chunk(pieces: NDArray[np.int64]) -> None:
            number = int(chunk[pieces[0]])
            entries = self._decoded(number)
            first = number * self._chunk_size
            for piece in pieces:
                at, n = position[piece], high[piece] - low[piece]
                out[at : at + n] = entries[low[piece] - first : high[piece] - first]

        for _ in _threads(os.getpid()).map(copy_from_chunk, groups):
            pass

    def _decoded(self, chunk: int) -> NDArray[Any]:
        assert self._decode is not None
        raw = bytearray(int(self._n_bytes[chunk]))
        file = self._files[self._file_of_chunk[chunk]]
        with file.open() as descriptor:
            file.read(descriptor, int(self._offsets[chunk]), memoryview(raw))
        try:
            entries = np.frombuffer(self._decode(raw), self.dtype)  # type: ignore[arg-type]
        except Exception as error:
            raise self._damaged(f"chunk {chunk} cannot be decoded ({error})") from error
        if len(entries) < min(self._chunk_size, self.size - chunk * self._chunk_size):
            raise self._damaged(f"chunk {chunk} holds {len(entries)} entries, which is too few")
        return entries

    def _pieces(
        self, starts: NDArray[np.int64], stops: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], ...]:
        """Cut ranges at the borders of chunks: chunk, first and last entry, place in the result."""
        filled = stops > starts
        starts, stops = starts[filled], stops[filled]
        first = starts // self._chunk_size
        n_pieces = (stops - 1) // self._chunk_size - first + 1
        of_range = np.repeat(np.arange(len(starts)), n_pieces)
        turn = np.arange(len(of_range)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
        chunk = first[of_range] + turn
        low = np.maximum(starts[of_range], chunk * self._chunk_size)
        high = np.minimum(stops[of_range], (chunk + 1) * self._chunk_size)
        return chunk, low, high, np.cumsum(high - low) - (high - low)

    def _damaged(self, found: str) -> InputError:
        return InputError(f"{self._name} is damaged. Found {found}. Fetch or write the file again.")


class _File:
    """A file that is read by offset and must not change while it is in use."""

    def __init__(self, path: str) -> None:
        status = Path(path).stat()
        self.path = path
        self.size = status.st_size
        self._stamp = (status.st_size, status.st_mtime_ns)

    @contextmanager
    def open(self) -> Iterator[int]:
        """Open the file for one series of reads: no descriptor is kept over a fork."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            status = os.fstat(descriptor)
            if (status.st_size, status.st_mtime_ns) != self._stamp:
                raise InputError(
                    f"{self.path} was changed while it was in use. "
                    f"Found {status.st_size} bytes where there were {self.size}, or a newer time "
                    "stamp. Start again, and leave the file alone until the end."
                )
            yield descriptor
        finally:
            os.close(descriptor)

    def read(self, descriptor: int, offset: int, target: memoryview) -> None:
        while len(target):
            n = os.preadv(descriptor, [target[: 1 << 30]], offset)
            if n == 0:
                raise InputError(f"{self.path} ended at byte {offset} while it was read.")
            target, offset = target[n:], offset + n


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Return the threads of a process; they do not survive a fork."""
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="sctabnet-decode")
