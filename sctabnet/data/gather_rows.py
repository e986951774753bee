from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from sctabnet.data.compress_row import compress_row

# How a source's columns lie in the vocabulary, from the general to the simplest
SCATTERED, ASCENDING, COMPLETE, IDENTICAL = 0, 1, 2, 3
# What may be wrong with a row
OK, BAD_VALUE, BAD_INDEX = 0, 1, 2


def _ctpop(typingctx, word):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


_count_bits: Any = intrinsic(_ctpop)


@numba.njit(nogil=True, cache=True)
def _copy_values(row, row_bits, out):  # type: ignore[no-untyped-def]
    """Copy values; return the lowest and the highest of their bits."""
    lowest, highest = row_bits[0], row_bits[0]
    for j in range(len(row)):
        lowest = min(lowest, row_bits[j])
        highest = max(highest, row_bits[j])
        out[j] = row[j]
    return lowest, highest


@numba.njit(nogil=True, cache=True)
def _copy_genes(row, table, identical, out):  # type: ignore[no-untyped-def]
    """Translate columns that are not known to exist; return whether they ascend."""
    ascending = True
    for j in range(1, len(row)):
        ascending = ascending & (row[j] > row[j - 1])
    if identical:
        for j in range(len(row)):
            out[j] = row[j]
    else:
        last = np.uintp(len(table) - 1)
        for j in range(len(row)):
            out[j] = table[min(np.uintp(row[j]), last)]
    return ascending


@numba.njit(nogil=True, cache=True)
def _sort(row, row_values, table, n_genes, listed, out_values, out_genes, words, ranks):  # type: ignore[no-untyped-def]
    """Write genes in the vocabulary's order, duplicates summed; return how many there are.

    A bit per gene that occurs; how many bits stand before a gene's own is its place.
    """
    for j in range(len(row)):
        listed[j] = n_genes if row_values[j] == 0 else table[np.uintp(row[j])]
    for j in range(len(row)):
        gene = np.uint32(listed[j])
        words[np.uintp(gene >> 6)] |= np.uint64(1) << np.uint64(gene & 63)
    n_found = np.int32(0)
    for w in range(len(words)):
        ranks[w] = n_found
        n_found += np.int32(_count_bits(words[w]))
    out_values[:n_found] = 0
    for j in range(len(row)):
        gene = np.uint32(listed[j])
        word, bit = np.uintp(gene >> 6), np.uint64(1) << np.uint64(gene & 63)
        before = np.int32(_count_bits(words[word] & (bit - np.uint64(1))))
        place = np.uintp(ranks[word] + before)
        out_genes[place] = gene
        out_values[place] += row_values[j]
    # what is not in the vocabulary came last
    n_found -= np.int32(words[n_genes >> 6] >> np.uint64(n_genes & 63))
    words[:] = 0
    return np.int64(n_found)


@numba.njit(nogil=True, cache=True)
def gather_rows(  # noqa: PLR0913 - a kernel takes its arrays one by one
    values: NDArray[Any],
    bits: NDArray[Any],
    largest: np.uint64,
    indices: NDArray[Any],
    first_n: NDArray[np.int64],
    last_n: NDArray[np.int64],
    source_n: NDArray[np.int64],
    lut: NDArray[np.int32],
    lut_start: NDArray[np.int64],
    lut_order: NDArray[np.uint8],
    out_values: NDArray[np.float32],
    out_indices: NDArray[np.int32],
    out_offsets: NDArray[np.int64],
    n_genes: int,
    listed: NDArray[np.int32],
    words: NDArray[np.uint64],
    ranks: NDArray[np.int32],
) -> tuple[int, int]:
    """Gather rows of a CSR buffer, align genes to the vocabulary, drop zeros, order the genes.

    A row is written as if it had neither zeros nor disorder while it is looked at for them and for
    damage; the few that do are written again, in linear time.

    Parameters
    ----------
    values, indices
        Entries of all buffered rows.
    bits, largest
        ``values`` as unsigned integers of their size, and the largest of these that stands for a
        finite, non-negative float32: one comparison finds what is negative, infinite or no number.
    first_n, last_n, source_n
        Where each wanted row lies in the buffer, and its source.
    lut, lut_start, lut_order
        Vocabulary position of each column, one source after the other, where a column without one
        has the position g; where each source's table begins (n_sources + 1); SCATTERED, ASCENDING
        (may drop columns), COMPLETE (drops none) or IDENTICAL.
    out_values, out_indices, out_offsets
        Results; large enough for every entry of the rows, and n + 1.
    n_genes
        Size g of the vocabulary.
    listed
        Room for the longest row.
    words, ranks
        Zeros, g // 64 + 1, left as found; and room for as many numbers.

    Returns
    -------
    tuple of int
        What is wrong (OK, BAD_VALUE, BAD_INDEX), and with which wanted row.
    """
    filled = np.int64(0)
    out_offsets[0] = 0
    for i in range(len(first_n)):
        length = last_n[i] - first_n[i]
        if length == 0:
            out_offsets[i + 1] = filled
            continue
        row_values = values[first_n[i] : last_n[i]]
        row = indices[first_n[i] : last_n[i]]
        table = lut[lut_start[source_n[i]] : lut_start[source_n[i] + 1]]
        order = lut_order[source_n[i]]
        out_v, out_g = out_values[filled : filled + length], out_indices[filled : filled + length]

        lowest, highest = _copy_values(row_values, bits[first_n[i] : last_n[i]], out_v)
        if np.uint64(highest) > largest:
            return BAD_VALUE, i
        ascending = order != SCATTERED and _copy_genes(row, table, order == IDENTICAL, out_g)
        bottom, top = row[0], row[length - 1]
        if not ascending:
            bottom, top = row.min(), row.max()
        if bottom < 0 or np.int64(top) >= len(table):
            return BAD_INDEX, i

        if not ascending:
            filled += _sort(row, row_values, table, n_genes, listed, out_v, out_g, words, ranks)
        elif order == ASCENDING or lowest == 0:
            filled += compress_row(out_v, out_g, n_genes)
        else:
            filled += length
        out_offsets[i + 1] = filled
    return OK, -1
