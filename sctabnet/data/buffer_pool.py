from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray


class BufferPool:
    """Large arrays that are used again as soon as nobody refers to them.

    Fresh memory costs a page fault every four kilobytes: a third of the loader's time. An array
    that is still referred to, by a view or a tensor on it, is never handed out again, so that
    whoever got one may keep it.
    """

    def __init__(self) -> None:
        self._free: dict[str, list[NDArray[np.uint8]]] = {}
        self._lock = threading.Lock()

    def take(self, purpose: str, dtype: np.dtype[Any], size: int) -> NDArray[Any]:
        """Return an uninitialised array of ``size`` entries.

        Arrays of one ``purpose`` have about the same size and replace each other; those too small
        are given up, so that no more memory is held than was ever in use.
        """
        n_bytes = max(1, size * dtype.itemsize)
        with self._lock:
            free = self._free.setdefault(purpose, [])
            while free and free[-1].nbytes < n_bytes:
                free.pop()
            memory = free.pop() if free else np.empty(n_bytes + n_bytes // 32, np.uint8)
        return np.asarray(_Lease(free, memory))[: size * dtype.itemsize].view(dtype)


class _Lease:
    """Owner of the memory behind an array; when the last view is gone, it gives it back."""

    def __init__(self, free: list[NDArray[np.uint8]], memory: NDArray[np.uint8]) -> None:
        self._free, self._memory = free, memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self._free.append(self._memory)
