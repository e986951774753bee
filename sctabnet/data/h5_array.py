from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


class H5Array:
    """An :class:`EntryArray` read through HDF5 itself: any filter, one thread at a time."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self.dtype = dataset.dtype
        self.size = dataset.size

    def read(self, starts: NDArray[np.int64], stops: NDArray[np.int64], out: NDArray[Any]) -> None:
        """See :meth:`EntryArray.read`."""
        position = 0
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            if stop > start:
                out[position : position + stop - start] = self._dataset[start:stop]
            position += stop - start
