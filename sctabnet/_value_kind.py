"""What a matrix holds: raw counts, log1p-normalised values, or neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sctabnet._errors import ValueKindError

ValueKind = Literal["counts", "log1p"]

_FLOAT32_EPS = float(np.finfo(np.float32).eps)
MAX_LOG1P = 20.0  # log1p(1e6) is 13.8; a larger value never came out of log1p of a library
_MAX_SMALLEST_COUNT = 6  # the smallest non-zero count of a cell may exceed 1 after gene filtering
_CELLS_TESTED = 2000
_ENOUGH_CELLS = 0.9
_ENOUGH_BITS = 12.0
_HOW_TO = (
    "Pass raw counts or log1p-normalised values: choose another matrix with layer=... (a layer's "
    'name or "raw"), or pass value_kind="log1p" if you are certain that they are log1p values.'
)


def detect_value_kind(values: sp.csr_matrix | sp.csr_array, *, name: str = "X") -> ValueKind:
    """Tell raw counts from log1p-normalised values, and refuse everything else.

    Whole numbers are counts. Values x are log1p of scaled counts if, cell by cell, ``expm1(x)`` has
    one common measure: the cell's scale factor. The test needs no target sum, so it holds for any
    target sum, for factors that differ between cells and after genes were filtered. Values that
    never were counts (TPM) are known by ``expm1`` totals that are equal over the cells, which holds
    as long as no gene was filtered.

    Parameters
    ----------
    values
        (cells, genes) block, any numeric type. Two thousand cells are enough; the first three
        properties (finite, non-negative, whole) are judged on all values given, the rest on at
        most 2,000 cells.
    name
        How to call the matrix in messages.

    Returns
    -------
    str
        ``"counts"`` or ``"log1p"``.

    Raises
    ------
    ValueError
        If a value is not finite or negative, if there is no value above zero, or if the values are
        neither counts nor log1p values. The message names the value found.
    """
    data = np.asarray(values.data)
    if data.size and not np.isfinite(data).all():
        raise ValueKindError(
            f"{name} holds values that are no numbers. Found {_first(values, ~np.isfinite(data))}. "
            "Remove these cells or fill the values."
        )
    if data.size and data.dtype.kind not in "bu" and data.min() < 0:
        raise ValueKindError(
            f"{name} holds negative values. Found {_first(values, data < 0)}. Was it scaled, "
            f"centred or batch-corrected? {_HOW_TO}"
        )
    if values.shape[0] == 0 or values.shape[1] == 0 or not data.any():
        raise ValueKindError(
            f"{name} is empty: there is no value above zero. Found {values.shape[0]} cells x "
            f"{values.shape[1]} genes. Pass raw counts or log1p-normalised values."
        )
    if data.dtype.kind in "bui" or np.array_equal(data, np.rint(data)):
        return "counts"

    block = _some_cells(values)
    largest = float(block.data.max())
    if largest <= MAX_LOG1P:
        if _has_common_measure(block, np.expm1):
            return "log1p"
        # where values are tiny expm1(x) is x: then equal totals speak for linear values
        if _totals_are_equal(block.expm1()) and not _totals_are_equal(block):
            return "log1p"
    found = _first(values, data != np.rint(data))
    raise ValueKindError(
        f"{name} holds neither counts nor log1p values. Found {found}{_guess(block, largest)}. "
        f"{_HOW_TO}"
    )


def _identity(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x


def _some_cells(values: Any) -> sp.csr_matrix:
    """Return at most 2,000 evenly spread cells as float64 CSR without stored zeros."""
    n = values.shape[0]
    if n > _CELLS_TESTED:
        values = values[np.linspace(0, n - 1, _CELLS_TESTED).astype(np.int64)]
    block = sp.csr_matrix(values, dtype=np.float64, copy=True)
    block.eliminate_zeros()
    return block


def _has_common_measure(
    block: sp.csr_matrix, to_linear: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> bool:
    """Whether in most cells every value is a whole multiple of min / k, for a small whole k.

    A value says something only where it differs from the minimum and where rounding (of float32, or
    to a few decimals) leaves its ratio to the minimum known to a few hundredths. Cells of which the
    values say less than 12 bits together are not judged.
    """
    cells = np.flatnonzero(np.diff(block.indptr))
    starts, n_listed = block.indptr[cells], np.diff(block.indptr)[cells]
    row = np.repeat(np.arange(len(cells)), n_listed)
    x = block.data
    y = to_linear(x)
    # error of y: that of x through the transform, and that of the normalisation before it
    x_error = 4 * _FLOAT32_EPS * x + _rounding(x)
    relative = (to_linear(x + x_error) - y) / y + 4 * _FLOAT32_EPS
    smallest = np.minimum.reduceat(y, starts)
    at_smallest = np.zeros(len(cells))
    np.maximum.at(at_smallest, row, np.where(y == smallest[row], relative, 0.0))
    ratio, relative = y / smallest[row], relative + at_smallest[row]

    tells = (ratio > 1.0 + 8 * relative) & (ratio * relative < 0.02)
    bits = -np.log2(2 * ratio * relative, where=tells, out=np.zeros_like(ratio))
    informative = np.add.reduceat(bits, starts) >= _ENOUGH_BITS
    if not informative.any():
        return False
    passes = np.zeros(len(cells), dtype=bool)
    for k in range(1, _MAX_SMALLEST_COUNT + 1):
        multiple = ratio * k
        off = np.abs(multiple - np.rint(multiple)) > multiple * relative
        passes |= ~np.logical_or.reduceat(tells & off, starts)
    return bool(passes[informative].mean() >= _ENOUGH_CELLS)


def _rounding(x: NDArray[np.float64]) -> float:
    """Return the largest error by rounding to 3, 4 or 5 decimals; 0 if the values have more."""
    for decimals in (3, 4, 5):
        scaled = x * 10.0**decimals
        if (np.abs(scaled - np.rint(scaled)) <= scaled * _FLOAT32_EPS).all():
            return 0.5 * 10.0**-decimals
    return 0.0


def _totals_are_equal(block: sp.csr_matrix) -> bool:
    totals = np.asarray(block.sum(axis=1)).ravel()
    totals = totals[totals > 0]
    return bool(len(totals) >= 5 and np.ptp(totals) <= 1e-3 * np.median(totals))


def _guess(block: sp.csr_matrix, largest: float) -> str:
    """Say what the values look like, if that can be told."""
    looks: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "normalised or fractional counts that were not logged: take sc.pp.log1p of them": _identity,
        "square roots of counts": np.square,
    }
    if largest <= MAX_LOG1P:
        looks["log2(1 + x): multiply by numpy.log(2)"] = lambda x: np.exp2(x) - 1.0
        looks["log10(1 + x): multiply by numpy.log(10)"] = lambda x: 10.0**x - 1.0
    for what, to_linear in looks.items():
        if _has_common_measure(block, to_linear):
            return f" (these look like {what})"
    return f" (the largest value looked at is {largest:g})"


def _first(values: Any, where: NDArray[np.bool_]) -> str:
    position = int(np.argmax(where))
    cell = int(np.searchsorted(values.indptr, position, side="right")) - 1
    gene = int(values.indices[position])
    return (
        f"{values.data[position]:g} in row {cell}, column {gene} "
        f"({int(where.sum())} such values of {where.size})"
    )
