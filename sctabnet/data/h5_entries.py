from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sctabnet._errors import InputError
from sctabnet.data.chunked_array import ChunkedArray
from sctabnet.data.decoders import hdf5_decoder
from sctabnet.data.entry_array import EntryArray


def h5_entries(dataset: h5py.Dataset, path: str) -> EntryArray:
    """Open a one-dimensional HDF5 data set for reading by ranges.

    Chunks are read past the HDF5 library where their filters are known; otherwise through it.

    Raises
    ------
    ValueError
        If the data lies in another file, or a chunk was never written.
    """
    name = f"{dataset.name} of {path}"
    if dataset.external or dataset.is_virtual:
        raise InputError(
            f"{name} points at another file. Found external or virtual storage, which may reveal "
            "any file of this computer. Write the file again with its data inside."
        )
    chunk_size = dataset.chunks[0] if dataset.chunks else max(1, dataset.size)
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    decode = hdf5_decoder(filters, dataset.dtype.itemsize, chunk_size * dataset.dtype.itemsize)
    offsets, n_bytes, plain = _locate(dataset, name)
    if decode is None or not plain or not dataset.dtype.isnative:
        return _H5Array(path, dataset)
    return ChunkedArray(
        name,
        dtype=dataset.dtype,
        size=dataset.size,
        chunk_size=chunk_size,
        paths=[path],
        file_of_chunk=np.zeros(len(offsets), np.int64),
        offsets=offsets,
        n_bytes=n_bytes,
        decode=decode if filters else None,
    )


def _locate(dataset: h5py.Dataset, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64], bool]:
    """Return offset and length of each chunk, and whether they may be read past the library."""
    size_in_bytes = dataset.size * dataset.dtype.itemsize
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        layout = dataset.id.get_create_plist().get_layout()
        if offset is None and layout == h5py.h5d.CONTIGUOUS and size_in_bytes:
            raise _missing(name, 1)
        return np.array([offset or 0]), np.array([size_in_bytes]), offset is not None
    n_chunks = -(-dataset.size // dataset.chunks[0])
    offsets, n_bytes = np.full(n_chunks, -1, np.int64), np.zeros(n_chunks, np.int64)
    masks = []

    def note(chunk: Any) -> None:
        number = chunk.chunk_offset[0] // dataset.chunks[0]
        if number < n_chunks:
            offsets[number], n_bytes[number] = chunk.byte_offset, chunk.size
            masks.append(chunk.filter_mask)

    dataset.id.chunk_iter(note)
    if (offsets < 0).any():
        raise _missing(name, int((offsets < 0).sum()))
    return offsets, n_bytes, not any(masks) and not dataset.file.userblock_size


def _missing(name: str, n: int) -> InputError:
    return InputError(
        f"{name} is incomplete. Found {n} chunks that were never written, which would be read as "
        "zeros. Fetch or write the file again."
    )


class _H5Array:
    """Entries read through the HDF5 library: any filter, one thread at a time."""

    def __init__(self, path: str, dataset: h5py.Dataset) -> None:
        self._file = dataset.file if dataset.file.mode != "r" else h5py.File(path, "r")
        self._dataset = self._file[dataset.name]
        self.dtype = dataset.dtype.newbyteorder("=")
        self.size = dataset.size

    def read(self, starts: NDArray[np.int64], stops: NDArray[np.int64], out: NDArray[Any]) -> None:
        """See :meth:`EntryArray.read`."""
        position = 0
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            if stop > start:
                out[position : position + stop - start] = self._dataset[start:stop]
            position += stop - start
