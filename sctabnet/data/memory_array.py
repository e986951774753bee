from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class MemoryArray:
    """An :class:`EntryArray` over a NumPy array."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.dtype = array.dtype
        self.size = array.size

    def read(self, starts: NDArray[np.int64], stops: NDArray[np.int64], out: NDArray[Any]) -> None:
        """See :meth:`EntryArray.read`."""
        position = 0
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            out[position : position + stop - start] = self._array[start:stop]
            position += stop - start
