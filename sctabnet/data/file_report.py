from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileReport:
    """One file of a corpus: its size, and how its genes fit the vocabulary.

    Attributes
    ----------
    name
        The file.
    n_cells, n_genes
        Rows and columns.
    n_shared
        Genes of the vocabulary that the file measured.
    missing, unmatched, duplicated
        Genes of the vocabulary that it did not measure, columns that the vocabulary does not hold,
        genes that more than one column carries (their values are added).
    """

    name: str
    n_cells: int
    n_genes: int
    n_shared: int
    missing: tuple[str, ...]
    unmatched: tuple[str, ...]
    duplicated: tuple[str, ...]
