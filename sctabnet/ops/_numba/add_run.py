from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.errors import TypingError
from numba.extending import intrinsic

ir: Any = cgutils.ir  # type: ignore[attr-defined]

# Vectors of 64 bytes whose sums the registers hold at once: a whole row of 384 floats if they can.
_MOST = 24 if "+avx512f" in get_host_cpu_features() else 6
_BYTES, _WORD, _PLACE = 64, ir.IntType(64), ir.IntType(32)


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def add_run(values, indices, start, stop, table, out):  # type: ignore[no-untyped-def]
    """Add ``values[i] * table[indices[i]]`` onto ``out`` for ``start <= i < stop``, in order."""
    width, column, lanes = len(out), 0, _BYTES // out.itemsize
    while column + _MOST * lanes <= width:
        _add_most(values, indices, start, stop, table, out, column)
        column += _MOST * lanes
    while column + 8 * lanes <= width and _MOST > 8:
        _add_8(values, indices, start, stop, table, out, column)
        column += 8 * lanes
    while column + 4 * lanes <= width:
        _add_4(values, indices, start, stop, table, out, column)
        column += 4 * lanes
    while column + lanes <= width:
        _add_1(values, indices, start, stop, table, out, column)
        column += lanes
    if column < width:
        for i in range(start, stop):
            row = table[indices[i]]
            for j in range(column, width):
                out[j] += values[i] * row[j]


def _adder(n_vectors: int) -> Callable[..., None]:
    """Return ``add(values, indices, start, stop, table, out, column)`` for so many vectors.

    It is written in LLVM's vectors, which LLVM splits where a processor has shorter ones: of three
    arrays any two might overlap as far as a compiler knows, and so it would store each sum before
    it reads the next row.
    """

    @intrinsic
    def add(_, values, indices, start, stop, table, out, column):  # type: ignore[no-untyped-def]
        dense = values.layout == indices.layout == table.layout == out.layout == "C"
        if not dense or not values.dtype == table.dtype == out.dtype:
            raise TypingError("add_run needs contiguous arrays of one dtype")
        signature = types.void(values, indices, start, stop, table, out, column)
        return signature, lambda context, builder, signature, args: _generate(
            context, builder, signature.args, args, n_vectors
        )

    return add


def _generate(context: Any, builder: Any, kinds: Any, args: Any, n_vectors: int) -> Any:
    values, indices, table, out = (
        context.make_array(kinds[i])(context, builder, args[i]) for i in (0, 1, 4, 5)
    )
    start, stop, column = args[2], args[3], args[6]
    number = context.get_data_type(kinds[0].dtype)
    itemsize = context.get_abi_sizeof(number)
    vector = ir.VectorType(number, _BYTES // itemsize)
    offset = builder.mul(column, _WORD(itemsize))
    sums = builder.add(builder.ptrtoint(out.data, _WORD), offset)
    first_row = builder.add(builder.ptrtoint(table.data, _WORD), offset)
    row_bytes = cgutils.unpack_tuple(builder, table.strides)[0]

    def place(address: Any, i: int) -> Any:
        return builder.inttoptr(builder.add(address, _WORD(_BYTES * i)), vector.as_pointer())

    def load(address: Any, i: int) -> Any:
        loaded = builder.load(place(address, i))
        loaded.align = itemsize
        return loaded

    # allocated on the stack as far as this tells; LLVM moves them into registers
    running = [cgutils.alloca_once(builder, vector) for _ in range(n_vectors)]
    for i, total in enumerate(running):
        builder.store(load(sums, i), total)
    with cgutils.for_range_slice(builder, start, stop, _WORD(1)) as (k, _):
        index = builder.load(builder.gep(indices.data, [k]))
        if index.type.width < _WORD.width:
            index = builder.zext(index, _WORD)
        row = builder.add(first_row, builder.mul(index, row_bytes))
        value = builder.load(builder.gep(values.data, [k]))
        value = builder.insert_element(vector(ir.Undefined), value, _PLACE(0))
        places = ir.VectorType(_PLACE, vector.count)([0] * vector.count)
        value = builder.shuffle_vector(value, vector(ir.Undefined), places)
        for i, total in enumerate(running):
            product = builder.fmul(value, load(row, i), flags=("contract",))
            sum_ = builder.fadd(product, builder.load(total), flags=("contract",))
            builder.store(sum_, total)
    for i, total in enumerate(running):
        builder.store(builder.load(total), place(sums, i)).align = itemsize
    return context.get_dummy_value()


_add_most, _add_8, _add_4, _add_1 = _adder(_MOST), _adder(8), _adder(4), _adder(1)
