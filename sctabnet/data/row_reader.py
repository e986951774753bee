from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sctabnet._errors import InputError
from sctabnet.data import gather_rows as kernel
from sctabnet.data.buffer_pool import BufferPool
from sctabnet.data.gathered_rows import GatheredRows
from sctabnet.data.row_buffer import RowBuffer
from sctabnet.data.row_places import RowPlaces
from sctabnet.data.source import CellSource


class RowReader:
    """Reads rows of many sources and aligns their genes to one vocabulary.

    Parameters
    ----------
    sources
        The data sets; rows are numbered through, one source after the other.
    luts
        int32 per source: vocabulary position of each column, -1 where it has none.
    n_genes
        Size of the vocabulary.
    """

    def __init__(
        self, sources: Sequence[CellSource], luts: Sequence[NDArray[np.int32]], n_genes: int
    ) -> None:
        self._sources = sources
        self._edges = np.concatenate([[0], np.cumsum([source.n_cells for source in sources])])
        self._value_dtype = _common([s.value_dtype for s in sources], np.dtype(np.float32))
        self._index_dtype = _common([s.index_dtype for s in sources], np.dtype(np.int64))
        lut = np.concatenate(luts)
        self._lut = np.where(lut < 0, n_genes, lut).astype(np.int32)
        self._lut_start = np.concatenate([[0], np.cumsum([len(lut) for lut in luts])])
        self._lut_order = np.array([_order(lut) for lut in luts], dtype=np.uint8)
        self._n_genes = n_genes
        self._pool = BufferPool()

    @property
    def bytes_per_entry(self) -> int:
        """Bytes that a stored entry takes in a buffer."""
        return self._value_dtype.itemsize + self._index_dtype.itemsize

    def source_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the source of each row."""
        return np.searchsorted(self._edges, rows, side="right") - 1

    def locate(self, rows: NDArray[np.int64]) -> RowPlaces:
        """Find ``rows`` on disk; nothing but row pointers is read."""
        return RowPlaces(self._sources, self._edges, rows, self.source_of(rows))

    def load(self, rows: NDArray[np.int64]) -> RowBuffer:
        """Read rows, in any order, repeats allowed.

        Neighbours are read with one request.

        Raises
        ------
        ValueError
            If a file is damaged or was changed.
        """
        return self.load_places(self.locate(rows))

    def load_places(self, places: RowPlaces) -> RowBuffer:
        """Read the rows that :meth:`locate` found; see :meth:`load`."""
        values = self._pool.take("window values", self._value_dtype, places.n_entries)
        indices = self._pool.take("window genes", self._index_dtype, places.n_entries)
        for source, starts, stops, low, high in places.reads:
            self._sources[source].read(starts, stops, values[low:high], indices[low:high])
        return RowBuffer(values, indices, places.first, places.last, places.source, places.rows)

    def gather(self, buffer: RowBuffer, picks: NDArray[np.int64]) -> GatheredRows:
        """Align the picked rows of a buffer; a pick of -1 is a row without genes.

        The arrays lie in memory that is used again once nothing refers to them any more.

        Raises
        ------
        ValueError
            If a value is negative, infinite or no number, or a column number does not exist.
        """
        first, last, source = (
            np.append(column, 0)[picks] for column in (buffer.first, buffer.last, buffer.source)
        )
        capacity = int((last - first).sum())
        values = self._pool.take("values", np.dtype(np.float32), capacity)
        indices = self._pool.take("genes", np.dtype(np.int32), capacity)
        offsets = np.empty(len(picks) + 1, np.int64)
        bits, largest = _as_bits(buffer.values)
        n_words = self._n_genes // 64 + 1
        state, row = kernel.gather_rows(
            buffer.values, bits, largest, buffer.indices, first, last, source,
            self._lut, self._lut_start, self._lut_order, values, indices, offsets,
            self._n_genes, np.empty((last - first).max(initial=0), np.int32),
            np.zeros(n_words, np.uint64), np.empty(n_words, np.int32),
        )  # fmt: skip
        if state != kernel.OK:
            raise self._bad_row(buffer, int(picks[row]), state)
        rows = np.append(buffer.rows, -1)[picks]
        return GatheredRows(values[: offsets[-1]], indices[: offsets[-1]], offsets, rows)

    def _bad_row(self, buffer: RowBuffer, position: int, state: int) -> InputError:
        source = self._sources[buffer.source[position]]
        entries = slice(buffer.first[position], buffer.last[position])
        values, indices = buffer.values[entries], buffer.indices[entries]
        where = (
            f"row {buffer.rows[position] - self._edges[buffer.source[position]]} of {source.name}"
        )
        n_genes = len(source.gene_ids)
        if state == kernel.BAD_INDEX:
            wrong = indices[(indices < 0) | (indices >= n_genes)][0]
            return InputError(
                f"{source.name} is damaged: a column number does not exist. "
                f"Found {wrong} among {n_genes} genes in {where}. Fetch or write the file again."
            )
        at = int(np.flatnonzero(~((values >= 0) & (values <= np.finfo(np.float32).max)))[0])
        return InputError(
            "Expression values must be finite and not negative. "
            f"Found {values[at]} for gene {source.gene_ids[indices[at]]!r} in {where}. "
            "Pass raw counts or log1p values (layer=... chooses another matrix)."
        )


def _common(dtypes: Sequence[np.dtype[Any]], otherwise: np.dtype[Any]) -> np.dtype[Any]:
    native = {dtype.newbyteorder("=") for dtype in dtypes}
    return native.pop() if len(native) == 1 else otherwise


def _as_bits(values: NDArray[Any]) -> tuple[NDArray[Any], np.uint64]:
    """Return values as unsigned integers, and the largest that is a sound expression value."""
    dtype = values.dtype
    if dtype.kind == "f":
        sound = (
            np.array(np.finfo(np.float32).max, dtype) if dtype.itemsize > 2 else np.finfo(dtype).max
        )
        largest = int(np.asarray(sound, dtype).view(f"u{dtype.itemsize}"))
    else:
        largest = int(np.iinfo(dtype).max)
    return values.view(f"u{dtype.itemsize}"), np.uint64(largest)


def _order(lut: NDArray[np.int32]) -> int:
    known = lut[lut >= 0]
    if (np.diff(known) <= 0).any():
        return kernel.SCATTERED
    if len(known) < len(lut):
        return kernel.ASCENDING
    return kernel.IDENTICAL if (lut == np.arange(len(lut))).all() else kernel.COMPLETE
