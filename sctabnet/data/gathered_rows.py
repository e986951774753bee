from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class GatheredRows(NamedTuple):
    """Rows in the vocabulary: values, positions (ascending in a row), offsets, numbers of rows."""

    values: NDArray[np.float32]
    indices: NDArray[np.int32]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
