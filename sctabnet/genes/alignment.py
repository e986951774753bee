from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where each column of a data set lies in a vocabulary, and what did not fit.

    Attributes
    ----------
    lut
        int32 (n_columns,): vocabulary position of each column, -1 where the model does not know it.
        Columns of one gene share a position.
    n_shared
        Vocabulary genes that the data set measured.
    n_query
        Columns of the data set.
    n_vocabulary
        Genes of the vocabulary.
    missing
        Vocabulary genes that the data set did not measure, ascending. Missing is absent, not zero.
    unmatched
        Ids of the data set that the vocabulary does not hold, as given, in the order of columns.
    duplicated
        Gene ids (without version) that more than one column carries, ascending.
    """

    lut: NDArray[np.int32]
    n_shared: int
    n_query: int
    n_vocabulary: int
    missing: tuple[str, ...]
    unmatched: tuple[str, ...]
    duplicated: tuple[str, ...]
