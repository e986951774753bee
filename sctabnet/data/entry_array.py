from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class EntryArray(Protocol):
    """A one-dimensional array in memory or on disk, read by ranges."""

    dtype: np.dtype[Any]
    size: int

    def read(self, starts: NDArray[np.int64], stops: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Write the entries of all ranges ``[start, stop)``, one after the other, into ``out``.

        ``out`` has one entry for each that is read; its type may differ from ``dtype``.
        """
