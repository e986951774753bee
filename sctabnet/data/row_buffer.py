from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RowBuffer:
    """Rows as they lie on disk: entries of all rows, and where each row's are."""

    values: NDArray[Any]
    indices: NDArray[Any]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    source: NDArray[np.int64]
    rows: NDArray[np.int64]
