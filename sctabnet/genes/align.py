from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from sctabnet.genes.alignment import Alignment
from sctabnet.genes.gene_vocabulary import GeneVocabulary
from sctabnet.genes.strip_version import strip_version


def align(gene_ids: Iterable[str], vocabulary: GeneVocabulary) -> Alignment:
    """Find each column of a data set in a vocabulary.

    Ensembl versions are ignored on both sides. Nothing is guessed: symbols are not turned into
    Ensembl ids, nor is the case of letters changed.

    Parameters
    ----------
    gene_ids
        Ids of the columns, in the order of columns.
    vocabulary
        The model's genes.

    Returns
    -------
    Alignment
        The look-up table and a report. Judging it (few shared genes, duplicates) is the caller's.

    Raises
    ------
    ValueError
        If an id is no text, or empty.
    """
    columns = list(gene_ids)
    lut = vocabulary.index(columns)
    shared = np.zeros(len(vocabulary), dtype=bool)
    shared[lut[lut >= 0]] = True
    occurrences = Counter(strip_version(gene_id) for gene_id in columns)
    return Alignment(
        lut=lut,
        n_shared=int(shared.sum()),
        n_query=len(columns),
        n_vocabulary=len(vocabulary),
        missing=tuple(g for g, has in zip(vocabulary.ids, shared, strict=True) if not has),
        unmatched=tuple(g for g, i in zip(columns, lut, strict=True) if i < 0),
        duplicated=tuple(sorted(g for g, n in occurrences.items() if n > 1)),
    )
