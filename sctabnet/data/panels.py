from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Panels:
    """Which data set each cell of a merged file came from, and which genes that data set measured.

    A file written by :func:`~sctabnet.data.prepare.prepare` holds the cells of several files. What
    each of them measured would be lost in a plain AnnData, where an unmeasured gene looks like a
    zero.

    Attributes
    ----------
    names
        The data sets.
    codes
        (n_cells,): data set of each cell.
    measured
        bool (n_columns, n_data_sets).
    """

    names: tuple[str, ...]
    codes: NDArray[Any]
    measured: NDArray[np.bool_]

    OBS: ClassVar[str] = "sctabnet_source"
    VARM: ClassVar[str] = "sctabnet_measured"
