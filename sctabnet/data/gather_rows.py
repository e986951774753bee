from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

# How a source's columns lie in the vocabulary, from the general to the simplest
SCATTERED, ASCENDING, COMPLETE, IDENTICAL = 0, 1, 2, 3
# What may be wrong with a row
OK, BAD_VALUE, BAD_INDEX = 0, 1, 2

_LARGEST = float(np.finfo(np.float32).max)


@numba.njit(nogil=True, cache=True)
def gather_rows(  # noqa: PLR0913 - a kernel takes its arrays one by one
    values: NDArray[Any],
    indices: NDArray[Any],
    first_n: NDArray[np.int64],
    last_n: NDArray[np.int64],
    source_n: NDArray[np.int64],
    lut: NDArray[np.int32],
    lut_start: NDArray[np.int64],
    lut_order: NDArray[np.uint8],
    out_values: NDArray[np.float32],
    out_indices: NDArray[np.int64],
    out_offsets: NDArray[np.int64],
    dense_g: NDArray[np.float32],
    words: NDArray[np.uint64],
) -> tuple[int, int]:
    """Gather rows of a CSR buffer, align their genes to the vocabulary, drop zeros, order the genes.

    Every row is looked at twice while it is in the cache: first for damage and for what may be
    skipped (zeros, disorder), then to be written. A row whose columns are not in the vocabulary's order
    goes through a dense row and a bitmap, which orders genes and sums duplicates in linear time.

    Parameters
    ----------
    values, indices
        Entries of all buffered rows.
    first_n, last_n, source_n
        Where each wanted row lies in the buffer, and its source.
    lut, lut_start, lut_order
        Vocabulary position (or -1) of each column, one source after the other; where each source's
        table begins (n_sources + 1); SCATTERED, ASCENDING (may drop columns), COMPLETE (drops none) or
        IDENTICAL.
    out_values, out_indices, out_offsets
        Results; large enough for every entry of the rows, and n + 1.
    dense_g, words
        Zeros of the size of the vocabulary, and one bit for each of its genes; left as found.

    Returns
    -------
    tuple of int
        What is wrong (OK, BAD_VALUE, BAD_INDEX), and with which wanted row.
    """
    filled = 0
    out_offsets[0] = 0
    for i in range(len(first_n)):
        row_values = values[first_n[i] : last_n[i]]
        row_indices = indices[first_n[i] : last_n[i]]
        length = len(row_values)
        source = source_n[i]
        table = lut[lut_start[source] : lut_start[source + 1]]

        bad = 0
        zeros = 0
        top = np.int64(-1)
        bottom = np.int64(0)
        for j in range(length):
            value = row_values[j]
            bad += not (value >= 0 and value <= _LARGEST)
            zeros += value == 0
            top = max(top, np.int64(row_indices[j]))
            bottom = min(bottom, np.int64(row_indices[j]))
        if bad:
            return BAD_VALUE, i
        if bottom < 0 or top >= len(table):
            return BAD_INDEX, i
        disorder = 0
        for j in range(1, length):
            disorder += row_indices[j] <= row_indices[j - 1]

        order = SCATTERED if disorder else lut_order[source]
        if order == IDENTICAL and zeros == 0:
            for j in range(length):
                out_values[filled + j] = row_values[j]
                out_indices[filled + j] = row_indices[j]
            filled += length
        elif order >= COMPLETE and zeros == 0:
            for j in range(length):
                out_values[filled + j] = row_values[j]
                out_indices[filled + j] = table[np.uintp(row_indices[j])]
            filled += length
        elif order >= ASCENDING:
            for j in range(length):
                gene = table[np.uintp(row_indices[j])]
                out_values[filled] = row_values[j]
                out_indices[filled] = gene
                filled += gene >= 0 and row_values[j] != 0
        else:
            for j in range(length):
                gene = table[np.uintp(row_indices[j])]
                if gene >= 0 and row_values[j] != 0:
                    dense_g[gene] += row_values[j]
                    words[gene >> 6] |= np.uint64(1) << np.uint64(gene & 63)
            for w in range(len(words)):
                word = words[w]
                words[w] = 0
                while word:
                    lowest = word & (~word + np.uint64(1))
                    gene = (w << 6) + _trailing_zeros(word)
                    out_indices[filled] = gene
                    out_values[filled] = dense_g[gene]
                    dense_g[gene] = 0
                    filled += 1
                    word ^= lowest
        out_offsets[i + 1] = filled
    return OK, -1


@numba.njit(nogil=True, cache=True, inline="always")
def _trailing_zeros(word: np.uint64) -> int:
    lowest = word & (~word + np.uint64(1))
    count = 0
    if lowest & np.uint64(0xFFFFFFFF00000000):
        count += 32
    if lowest & np.uint64(0xFFFF0000FFFF0000):
        count += 16
    if lowest & np.uint64(0xFF00FF00FF00FF00):
        count += 8
    if lowest & np.uint64(0xF0F0F0F0F0F0F0F0):
        count += 4
    if lowest & np.uint64(0xCCCCCCCCCCCCCCCC):
        count += 2
    if lowest & np.uint64(0xAAAAAAAAAAAAAAAA):
        count += 1
    return count
