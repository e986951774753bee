from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import zarr
from anndata import settings
from anndata.io import write_elem
from numpy.typing import NDArray

from sctabnet.data.corpus import Corpus
from sctabnet.data.minibatch import Minibatch
from sctabnet.data.panels import Panels
from sctabnet.data.short_names import short_names

_CHUNK_BYTES = 2**28


class PackedWriter:
    """Writes cells in a random order as an uncompressed AnnData zarr group.

    Parameters
    ----------
    corpus
        Where the cells come from.
    folder
        Folder to make.
    seed
        Key of the order.
    memory_limit
        Bytes that one bucket of cells may take while it is sorted.
    """

    def __init__(self, corpus: Corpus, folder: Path, *, seed: int, memory_limit: int) -> None:
        self._corpus, self._folder = corpus, folder
        n = corpus.n_cells
        self._order = np.random.default_rng(seed).permutation(n)
        self._place = np.empty(n, np.int64)
        self._place[self._order] = np.arange(n)
        self._lengths = np.zeros(n, np.int64)
        self._index_dtype = np.dtype(np.uint16 if len(corpus.vocabulary) <= 2**16 else np.int32)
        # a bucket is held as read and once more as sorted
        n_bytes = 2 * sum(source.n_entries for source in corpus.sources) * 8
        n_buckets = max(1, math.ceil(n_bytes / memory_limit))
        self._bucket_rows = max(1, math.ceil(n / n_buckets))
        self._buckets = folder / "buckets"
        self._buckets.mkdir(parents=True)

    def add(self, minibatch: Minibatch) -> None:
        """Throw cells into the buckets of their places."""
        values, indices = minibatch.values.numpy(), minibatch.indices.numpy()
        offsets, rows = minibatch.offsets.numpy(), minibatch.row_ids.numpy()
        lengths = np.diff(offsets)
        self._lengths[self._place[rows]] = lengths
        bucket_of_cell = self._place[rows] // self._bucket_rows
        bucket_of_entry = np.repeat(bucket_of_cell, lengths)
        for bucket in np.unique(bucket_of_cell).tolist():
            mine = bucket_of_entry == bucket
            self._append(bucket, "rows", rows[bucket_of_cell == bucket])
            self._append(bucket, "data", values[mine])
            self._append(bucket, "indices", indices[mine].astype(self._index_dtype))

    def finish(self, largest: float, obs_columns: Sequence[str] | None) -> Iterator[int]:
        """Write the folder; yield the number of cells after each bucket.

        Parameters
        ----------
        largest
            Largest value of all.
        obs_columns
            Columns of ``obs`` to keep; None for all.
        """
        fits = self._corpus.value_kind == "counts" and largest < 2**16
        group = zarr.open_group(self._folder, mode="a", zarr_format=3)
        group.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        n_entries = int(self._lengths.sum())
        matrix = group.create_group("X")
        shape = [self._corpus.n_cells, len(self._corpus.vocabulary)]
        matrix.attrs.update(
            {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape}
        )
        indptr = np.concatenate([[0], np.cumsum(self._lengths)])
        parts = {"data": np.dtype(np.uint16 if fits else np.float32), "indices": self._index_dtype}
        files = {name: _ChunkFiles(matrix, name, dtype, n_entries) for name, dtype in parts.items()}
        for first in range(0, self._corpus.n_cells, self._bucket_rows):
            bucket = first // self._bucket_rows
            gather = self._entries_in_order(bucket, indptr[first : first + self._bucket_rows + 1])
            for name, file in files.items():
                file.write(self._read(bucket, name)[gather].astype(parts[name]))
                self._path(bucket, name).unlink(missing_ok=True)
            self._path(bucket, "rows").unlink(missing_ok=True)
            yield min(self._bucket_rows, self._corpus.n_cells - first)
        for file in files.values():
            file.close()
        pointers = _ChunkFiles(matrix, "indptr", np.dtype(np.int64), len(indptr))
        pointers.write(indptr)
        pointers.close()
        self._buckets.rmdir()
        self._write_frames(group, obs_columns)

    def _entries_in_order(self, bucket: int, indptr: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where each entry of a sorted bucket lies in the bucket as it was filled."""
        places = self._place[self._read(bucket, "rows")]
        lengths = self._lengths[places]
        begins = np.empty(len(places), np.int64)
        begins[np.argsort(np.argsort(places))] = np.cumsum(lengths) - lengths
        sorted_lengths = np.diff(indptr)
        shift = begins - (indptr[:-1] - indptr[0])
        return np.arange(indptr[-1] - indptr[0]) + np.repeat(shift, sorted_lengths)

    def _write_frames(self, group: Any, obs_columns: Sequence[str] | None) -> None:
        corpus = self._corpus
        names = short_names(corpus.source_names)
        frame = pd.DataFrame(index=pd.Index(self._cell_names(), dtype=object))
        every = dict.fromkeys(name for source in corpus.sources for name in source.obs_columns)
        for column in every if obs_columns is None else obs_columns:
            parts = [
                source.obs(column).reset_index(drop=True)
                if column in source.obs_columns
                else pd.Series([None] * source.n_cells, dtype=object)
                for source in corpus.sources
            ]
            frame[column] = _concatenate(parts).to_numpy()[self._order]
            if any(isinstance(part.dtype, pd.CategoricalDtype) for part in parts) or (
                frame[column].dtype == object
            ):
                text = frame[column].map(str, na_action="ignore")
                frame[column] = text.astype("category")
        codes = corpus.source_codes[self._order]
        frame[Panels.OBS] = pd.Categorical.from_codes(codes, categories=list(names))
        elements = {
            "obs": frame,
            "var": pd.DataFrame(index=list(corpus.vocabulary.ids)),
            "varm": {Panels.VARM: np.ascontiguousarray(corpus.measured.T)},
            **{empty: {} for empty in ("uns", "obsm", "obsp", "varp", "layers")},
        }
        with settings.override(auto_shard_zarr_v3=False):
            for name, element in elements.items():
                write_elem(group, name, element)

    def _cell_names(self) -> NDArray[Any]:
        names = np.concatenate([source.obs_names() for source in self._corpus.sources])
        if len(set(names)) < len(names):  # the same barcodes in several files
            sources = self._corpus.files_of(np.arange(len(names)))
            names = np.array([f"{n}-{s}" for n, s in zip(names, sources, strict=True)], object)
        return names[self._order]

    def _path(self, bucket: int, name: str) -> Path:
        return self._buckets / f"{bucket}.{name}"

    def _append(self, bucket: int, name: str, part: NDArray[Any]) -> None:
        with self._path(bucket, name).open("ab") as file:
            file.write(np.ascontiguousarray(part).data)

    def _read(self, bucket: int, name: str) -> NDArray[Any]:
        dtype: dict[str, np.dtype[Any]] = {
            "rows": np.dtype(np.int64),
            "data": np.dtype(np.float32),
        }
        return np.fromfile(self._path(bucket, name), dtype.get(name, self._index_dtype))


class _ChunkFiles:
    """The chunk files of a one-dimensional zarr array: raw bytes, the last one zero-filled."""

    def __init__(self, group: Any, name: str, dtype: np.dtype[Any], size: int) -> None:
        self._chunk_bytes = min(max(1, size) * dtype.itemsize, _CHUNK_BYTES)
        array = group.create_array(
            name,
            shape=(size,),
            dtype=dtype,
            chunks=(self._chunk_bytes // dtype.itemsize,),
            compressors=None,
        )
        self._folder = Path(array.store.root, array.path, "c")
        self._folder.mkdir()
        self._written = 0
        self._file: IO[bytes] | None = None

    def write(self, part: NDArray[Any]) -> None:
        rest = np.ascontiguousarray(part).data.cast("B")
        while len(rest):
            within = self._written % self._chunk_bytes
            if within == 0:
                self.close()
                self._file = (self._folder / str(self._written // self._chunk_bytes)).open("wb")
            assert self._file is not None
            piece = rest[: self._chunk_bytes - within]
            self._file.write(piece)
            self._written += len(piece)
            rest = rest[len(piece) :]

    def close(self) -> None:
        if self._file is not None:
            self._file.truncate(self._chunk_bytes)
            self._file.close()
            self._file = None


def _concatenate(parts: Sequence[pd.Series]) -> pd.Series:
    if any(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
        parts = [part.astype(object) for part in parts]
    return pd.concat(parts, ignore_index=True)
