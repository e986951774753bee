"""Principal axes of a sparse matrix whose centre is not subtracted in memory."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, svds

from sctabnet.train.inner_products import inner_products

Array = NDArray[np.float64]
MOST = 1000  # cells up to which their inner products are the faster way
_SMALLEST = 1e-8  # of the squared lengths of axes: below it squaring has cost the precision


def principal_axes(
    x: sp.csr_array,
    centre: NDArray[np.float64],
    n_axes: int,
    *,
    sides: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return float64 (g, k) orthonormal axes along which the rows vary most, by falling variance.

    Parameters
    ----------
    x
        (n, g) values.
    centre
        float64 (g,) what is subtracted from every row; or (m, g), see ``sides``.
    n_axes
        Axes wanted; k is smaller for a matrix of fewer rows or columns, and may be 0.
    sides
        float64 (n, m), how often each of the m centres is subtracted from each row.
    """
    n_axes = min(n_axes, min(x.shape) - 1)
    if n_axes < 1:
        return np.zeros((x.shape[1], 0))
    if sides is None:
        centre, sides = centre[None, :], np.ones((x.shape[0], 1))
    axes = _of_few_cells(x, centre, sides, n_axes) if x.shape[0] <= min(x.shape[1], MOST) else None
    if axes is None:
        axes = _by_iteration(x, centre, sides, n_axes)
    # a singular vector's sign is arbitrary: fix it by the largest entry, for the same bits always
    return np.ascontiguousarray(axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(n_axes)]))


def _of_few_cells(x: sp.csr_array, centre: Array, sides: Array, n_axes: int) -> Array | None:
    """Return the axes by way of the cells' inner products; None if too many have no length."""
    shifted = (x @ centre.T) @ sides.T
    products = inner_products(x) - shifted - shifted.T + sides @ (centre @ centre.T) @ sides.T
    first = len(products) - n_axes
    squares, left = eigh(products, subset_by_index=(first, len(products) - 1))
    if squares[0] <= _SMALLEST * squares[-1]:
        return None
    axes = x.T @ left - centre.T @ (sides.T @ left)
    return np.asarray(axes / np.sqrt(squares))[:, ::-1]


def _by_iteration(x: sp.csr_array, centre: Array, sides: Array, n_axes: int) -> Array:
    centred = LinearOperator(
        shape=x.shape,
        matvec=lambda v: x @ v - sides @ (centre @ v),
        rmatvec=lambda u: x.T @ u - centre.T @ (sides.T @ u),
        matmat=lambda v: x @ v - sides @ (centre @ v),
        rmatmat=lambda u: x.T @ u - centre.T @ (sides.T @ u),
        dtype=np.float64,
    )
    start = np.random.default_rng(0).standard_normal(min(x.shape))
    _, sizes, axes = svds(centred, k=n_axes, v0=start)
    return np.asarray(axes[np.argsort(-sizes)].T)
