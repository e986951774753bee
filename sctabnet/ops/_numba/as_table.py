from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def as_table(table: Tensor) -> NDArray[Any]:
    """Return a view of parameters for numba.

    ``Tensor.numpy()`` forbids for good to resize the storage, and a sharded table's storage is
    freed by resizing it when the step is over. A DLPack view leaves it free.
    """
    return np.from_dlpack(table)
