from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sctabnet.data.source import CellSource
from sctabnet.genes import Alignment


def measured_genes(
    sources: Sequence[CellSource], alignments: Sequence[Alignment]
) -> NDArray[np.bool_]:
    """Return which genes of the vocabulary each data set measured.

    Parameters
    ----------
    sources, alignments
        The files, and where their columns lie in the vocabulary.

    Returns
    -------
    numpy.ndarray
        bool (data sets, g). A file counts as one data set unless it was merged from several.
    """
    rows = []
    for source, alignment in zip(sources, alignments, strict=True):
        known = alignment.lut >= 0
        for columns in source.panels.measured.T if source.panels else [np.ones_like(known)]:
            row = np.zeros(alignment.n_vocabulary, bool)
            row[alignment.lut[known & columns]] = True
            rows.append(row)
    return np.array(rows)
