from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sctabnet._errors import InputError, ValueKindError
from sctabnet._value_kind import MAX_LOG1P, ValueKind, detect_value_kind
from sctabnet.data.row_reader import RowReader
from sctabnet.data.source import CellSource
from sctabnet.genes import GeneVocabulary

_RANGES, _ROWS = 16, 32


def identify(
    reader: RowReader, sources: Sequence[CellSource], value_kind: ValueKind | None
) -> tuple[ValueKind, str]:
    """Read some hundred cells of every file: what their values are, and a digest of them.

    Parameters
    ----------
    reader, sources
        The files, and what reads their rows.
    value_kind
        Overrules the test of the values.

    Returns
    -------
    str
        ``"counts"`` or ``"log1p"``.
    str
        Hexadecimal digest of numbers of cells, sorted gene ids and sorted values of sampled cells:
        the same for every file format and every order of columns.

    Raises
    ------
    ValueError
        If values are neither counts nor log1p values, all are zero, or the files disagree.
    """
    digest = hashlib.sha256()
    kinds: dict[ValueKind, str] = {}
    first_row = 0
    for source in sources:
        block, values = _sample(reader, source, first_row)
        first_row += source.n_cells
        genes = "\n".join(GeneVocabulary.union([source.gene_ids]).ids)
        digest.update(f"{source.n_cells}\n{genes}\n".encode() + values)
        if value_kind == "log1p" and block.data.size and block.data.max() > MAX_LOG1P:
            raise ValueKindError(
                f"{source.name} cannot hold log1p values. Found {block.data.max():g}, and no log1p "
                f"of counts exceeds {MAX_LOG1P:g}. Leave value_kind out."
            )
        if value_kind is None and block.data.any():
            kinds[detect_value_kind(block, name=source.name)] = source.name
    if len(kinds) > 1:
        raise InputError(
            "The data sets disagree on what their matrices hold. Found counts in "
            f"{kinds['counts']} and log1p values in {kinds['log1p']}. "
            "Choose the same kind for all, for instance with layer='counts'."
        )
    if value_kind is None and not kinds:
        raise InputError(
            f"There is no value above zero. Found {first_row} cells and {len(sources[0].gene_ids)} "
            "genes. Pass counts or log1p values."
        )
    kind: ValueKind = value_kind if value_kind is not None else next(iter(kinds))
    return kind, digest.hexdigest()


def _sample(reader: RowReader, source: CellSource, first_row: int) -> tuple[sp.csr_matrix, bytes]:
    """Return evenly spread cells as stored, and each one's values in ascending order."""
    starts = np.linspace(0, max(0, source.n_cells - _ROWS), _RANGES).astype(np.int64)
    rows = np.unique(starts[:, None] + np.arange(_ROWS))
    buffer = reader.load(rows[rows < source.n_cells] + first_row)
    lengths = buffer.last - buffer.first
    block = sp.csr_matrix((len(lengths), len(source.gene_ids)), dtype=buffer.values.dtype)
    block.data, block.indices = buffer.values.copy(), buffer.indices.astype(np.int64)
    block.indptr = np.concatenate([[0], np.cumsum(lengths)])
    values: NDArray[np.float32] = buffer.values.astype(np.float32)
    row = np.repeat(np.arange(len(lengths)), lengths)
    values, row = values[values != 0], row[values != 0]
    return block, values[np.lexsort((values, row))].tobytes()
