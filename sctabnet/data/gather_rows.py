from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

# How a source's columns lie in the vocabulary, from the general to the simplest
SCATTERED, ASCENDING, COMPLETE, IDENTICAL = 0, 1, 2, 3
# What may be wrong with a row
OK, BAD_VALUE, BAD_INDEX = 0, 1, 2


def _cttz(typingctx, word):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.cttz(args[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), codegen


_trailing_zeros: Any = intrinsic(_cttz)


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
    out_indices: NDArray[np.int64],
    out_offsets: NDArray[np.int64],
    dense_g: NDArray[np.float32],
    words: NDArray[np.uint64],
) -> tuple[int, int]:
    """Gather rows of a CSR buffer, align genes to the vocabulary, drop zeros, order the genes.

    Every row is looked at twice while it is in the cache: first for damage and for what may be
    skipped (zeros, disorder), then to be written. A row whose columns are not in the vocabulary's
    order goes through a dense row and a bitmap, which orders genes and sums duplicates in linear
    time.

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
    dense_g, words
        Zeros: g + 1 and g // 64 + 1; left as found, but for the last of ``dense_g``.

    Returns
    -------
    tuple of int
        What is wrong (OK, BAD_VALUE, BAD_INDEX), and with which wanted row.
    """
    n_genes = len(dense_g) - 1
    filled = np.int64(0)
    out_offsets[0] = 0
    for i in range(len(first_n)):
        length = last_n[i] - first_n[i]
        if length == 0:
            out_offsets[i + 1] = filled
            continue
        row_values = values[first_n[i] : last_n[i]]
        row_bits = bits[first_n[i] : last_n[i]]
        row_indices = indices[first_n[i] : last_n[i]]
        table = lut[lut_start[source_n[i]] : lut_start[source_n[i] + 1]]

        lowest, highest = row_bits[0], row_bits[0]
        for j in range(length):
            lowest = min(lowest, row_bits[j])
            highest = max(highest, row_bits[j])
        if np.uint64(highest) > largest:
            return BAD_VALUE, i
        ascending = True
        for j in range(1, length):
            ascending = ascending & (row_indices[j] > row_indices[j - 1])
        bottom, top = row_indices[0], row_indices[length - 1]
        if not ascending:
            for j in range(length):
                bottom = min(bottom, row_indices[j])
                top = max(top, row_indices[j])
        if bottom < 0 or np.int64(top) >= len(table):
            return BAD_INDEX, i

        order = lut_order[source_n[i]] if ascending else SCATTERED
        if order == IDENTICAL and lowest > 0:
            for j in range(length):
                out_values[filled + j] = row_values[j]
            for j in range(length):
                out_indices[filled + j] = row_indices[j]
            filled += length
        elif order >= COMPLETE and lowest > 0:
            for j in range(length):
                out_values[filled + j] = row_values[j]
            for j in range(length):
                out_indices[filled + j] = table[np.uintp(row_indices[j])]
            filled += length
        elif order >= ASCENDING:
            for j in range(length):
                gene = table[np.uintp(row_indices[j])]
                out_values[np.uintp(filled)] = row_values[j]
                out_indices[np.uintp(filled)] = gene
                filled += np.int64(gene < n_genes) & np.int64(row_values[j] != 0)
        else:
            for j in range(length):
                gene = np.uintp(table[np.uintp(row_indices[j])])
                dense_g[gene] += np.float32(row_values[j])
                known = np.uint64((gene < n_genes) & (row_values[j] != 0))
                words[gene >> np.uintp(6)] |= known << np.uint64(gene & np.uintp(63))
            for w in range(len(words)):
                word = words[w]
                words[w] = 0
                while word != 0:
                    gene = np.uintp(w * 64) + np.uintp(_trailing_zeros(word))
                    out_indices[np.uintp(filled)] = gene
                    out_values[np.uintp(filled)] = dense_g[gene]
                    dense_g[gene] = 0
                    filled += 1
                    word &= word - np.uint64(1)
        out_offsets[i + 1] = filled
    return OK, -1
