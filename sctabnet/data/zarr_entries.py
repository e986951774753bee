from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from sctabnet._errors import InputError
from sctabnet.data.chunked_array import ChunkedArray
from sctabnet.data.decoders import zarr_decoder
from sctabnet.data.entry_array import EntryArray

_NOT_WRITTEN = 2**64 - 1  # in the index of a shard


def zarr_entries(array: zarr.Array[Any]) -> EntryArray:
    """Open a one-dimensional zarr array for reading by ranges.

    Chunks of a local folder are read as files where their codecs are known; otherwise, and from
    object stores, through zarr.

    Raises
    ------
    ValueError
        If a chunk is missing. Zarr itself would return zeros.
    """
    folder = Path(array.store.root, array.path) if hasattr(array.store, "root") else None
    layout = _layout(folder) if folder is not None and folder.is_dir() else None
    if layout is None or not array.dtype.isnative:
        return _ZarrArray(array)
    chunk_size, inner_size, codecs, names, crc_bytes = layout
    assert folder is not None
    n_files = -(-array.size // chunk_size)
    paths = [str(folder / names.format(number)) for number in range(n_files)]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise _missing(str(folder), len(missing), missing[0])
    decode = zarr_decoder(codecs) if codecs else None
    if codecs and decode is None:
        return _ZarrArray(array)
    n_chunks = -(-array.size // inner_size)
    per_file = chunk_size // inner_size
    if crc_bytes is None:
        offsets = np.zeros(n_chunks, np.int64)
        n_bytes = np.array([Path(path).stat().st_size for path in paths], np.int64)
    else:
        index = np.concatenate([_shard_index(p, per_file, crc_bytes) for p in paths] or [
            np.empty((0, 2), np.uint64)
        ])[:n_chunks]  # fmt: skip
        if (index == _NOT_WRITTEN).any():
            raise _missing(str(folder), int((index[:, 0] == _NOT_WRITTEN).sum()), "in a shard")
        offsets, n_bytes = index.astype(np.int64).T
    return ChunkedArray(
        str(folder),
        dtype=array.dtype,
        size=array.size,
        chunk_size=inner_size,
        paths=paths,
        file_of_chunk=np.arange(n_chunks, dtype=np.int64) // per_file,
        offsets=offsets,
        n_bytes=n_bytes,
        decode=decode,
    )


def _layout(folder: Path) -> tuple[int, int, Sequence[Mapping[str, Any]], str, int | None] | None:
    """Entries per file and per chunk, codecs, names of files, bytes of a shard's checksum.

    None if the format holds something that is not known here.
    """
    if (folder / ".zarray").is_file():
        meta = json.loads((folder / ".zarray").read_text())
        codecs = [*(meta["filters"] or []), *([meta["compressor"]] if meta["compressor"] else [])]
        return meta["chunks"][0], meta["chunks"][0], codecs, "{}", None
    meta = json.loads((folder / "zarr.json").read_text())
    grid, encoding = meta["chunk_grid"], meta["chunk_key_encoding"]
    separator = encoding.get("configuration", {}).get("separator", "/")
    names = "c" + separator + "{}" if encoding["name"] == "default" else "{}"
    if grid["name"] != "regular" or meta.get("storage_transformers"):
        return None
    chunk_size = grid["configuration"]["chunk_shape"][0]
    if meta["codecs"][0]["name"] != "sharding_indexed":
        plain = _known(meta["codecs"])
        return None if plain is None else (chunk_size, chunk_size, plain, names, None)
    shard = meta["codecs"][0]["configuration"]
    inner, index_codecs = _known(shard["codecs"]), [c["name"] for c in shard["index_codecs"]]
    at_end = shard.get("index_location", "end") == "end"
    if inner is None or not at_end or index_codecs not in (["bytes"], ["bytes", "crc32c"]):
        return None
    crc_bytes = 4 * (len(index_codecs) - 1)
    return chunk_size, shard["chunk_shape"][0], inner, names, crc_bytes


def _known(codecs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """Return codecs of zarr 3 as configurations of numcodecs, without the plain ``bytes``."""
    translated = []
    for codec in codecs:
        configuration = codec.get("configuration", {})
        if codec["name"] == "bytes":
            if configuration.get("endian", "little") != "little":
                return None
        elif codec["name"] in ("zstd", "gzip", "blosc"):
            translated.append({"id": codec["name"]})
        else:
            return None
    return translated


def _shard_index(path: str, per_file: int, crc_bytes: int) -> NDArray[np.uint64]:
    n_bytes = 16 * per_file
    with Path(path).open("rb") as file:
        end = file.seek(0, 2) - crc_bytes
        if end < n_bytes:
            raise InputError(f"{path} is truncated. Found {end} bytes. Fetch or write it again.")
        file.seek(end - n_bytes)
        return np.frombuffer(file.read(n_bytes), "<u8").reshape(-1, 2)


def _missing(name: str, n: int, example: str) -> InputError:
    return InputError(
        f"{name} is incomplete. Found {n} missing chunks ({example}), which zarr would read as "
        "zeros. Fetch or write the folder again."
    )


class _ZarrArray:
    """Entries read through zarr: any codec, any store."""

    def __init__(self, array: zarr.Array[Any]) -> None:
        self._array = array
        self.dtype = array.dtype.newbyteorder("=")
        self.size = array.size
        missing = array.nchunks - array.nchunks_initialized
        if missing > 0:
            raise _missing(array.path, missing, "of the store")

    def read(self, starts: NDArray[np.int64], stops: NDArray[np.int64], out: NDArray[Any]) -> None:
        """See :meth:`EntryArray.read`."""
        position = 0
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            if stop > start:
                out[position : position + stop - start] = self._array[start:stop]
            position += stop - start
