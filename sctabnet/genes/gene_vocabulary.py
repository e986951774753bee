from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sctabnet._atomic import atomic_text
from sctabnet._errors import InputError, MissingFileError
from sctabnet.genes.strip_version import strip_version

_HEADER = "gene_id"
_BREAKS = frozenset("\t\n\r")


class GeneVocabulary:
    """The genes a model knows, in one canonical order.

    Ids are kept without Ensembl version and sorted by code point, so that the order of columns in
    any input never matters: two vocabularies of the same genes are equal, byte for byte.

    Parameters
    ----------
    ids
        Gene ids, in any order; Ensembl versions are stripped.

    Raises
    ------
    ValueError
        If an id is no text, is empty, holds white space at an end or a tab or line end inside, or
        occurs twice (also when two ids differ only in their version).

    Examples
    --------
    >>> vocabulary = GeneVocabulary(["TP53", "CD3E"])
    >>> vocabulary.ids
    ('CD3E', 'TP53')
    >>> vocabulary.index(["TP53", "unheard-of"]).tolist()
    [1, -1]
    """

    __slots__ = ("_digest", "_ids", "_position")

    def __init__(self, ids: Iterable[str]) -> None:
        stripped = _canonical(ids)
        ordered = sorted(set(stripped))
        if len(ordered) != len(stripped):
            seen: set[str] = set()
            twice = sorted({i for i in stripped if i in seen or seen.add(i)})  # type: ignore[func-returns-value]
            raise InputError(
                f"Gene ids must be unique. Found {len(twice)} ids more than once: {twice[:5]}. "
                "Make them unique, or use Ensembl ids, which are."
            )
        self._ids = tuple(ordered)
        self._position = {gene_id: position for position, gene_id in enumerate(ordered)}
        self._digest = hashlib.sha256("\n".join(ordered).encode()).hexdigest()

    @property
    def ids(self) -> tuple[str, ...]:
        """The gene ids, ascending."""
        return self._ids

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the ids joined by line ends."""
        return self._digest

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __contains__(self, gene_id: object) -> bool:
        return isinstance(gene_id, str) and strip_version(gene_id) in self._position

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GeneVocabulary):
            return NotImplemented
        return self._ids == other._ids

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        return f"GeneVocabulary({len(self)} genes, digest {self._digest[:12]})"

    def index(self, gene_ids: Iterable[str]) -> NDArray[np.int32]:
        """Return the position of each id in the vocabulary.

        Parameters
        ----------
        gene_ids
            Ids, with or without Ensembl version; repeats are allowed.

        Returns
        -------
        numpy.ndarray
            int32, one entry per id; -1 where the gene is not in the vocabulary.
        """
        position = self._position
        return np.asarray(
            [position.get(gene_id, -1) for gene_id in _canonical(gene_ids)], dtype=np.int32
        )

    @classmethod
    def union(cls, panels: Sequence[Iterable[str]]) -> GeneVocabulary:
        """Return the vocabulary of every gene that at least one panel measured."""
        return cls(set().union(*(_canonical(panel) for panel in panels)))

    @classmethod
    def intersection(cls, panels: Sequence[Iterable[str]]) -> GeneVocabulary:
        """Return the vocabulary of the genes that every panel measured."""
        if not panels:
            return cls(())
        first, *others = (set(_canonical(panel)) for panel in panels)
        return cls(first.intersection(*others))

    def save(self, path: str | Path) -> None:
        """Write ``genes.tsv``: the header ``gene_id``, then one id per line."""
        atomic_text(path, self.to_tsv())

    def to_tsv(self) -> str:
        """Return the text of ``genes.tsv``."""
        return "\n".join((_HEADER, *self._ids)) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> GeneVocabulary:
        """Read ``genes.tsv``.

        Raises
        ------
        ValueError
            If the header is not ``gene_id`` or the ids are not sorted: each line names a row of
            the weights, so that a file in another order is a damaged file.
        """
        path = Path(path)
        if not path.is_file():
            raise MissingFileError(f"{path} does not exist. Give the path of a genes.tsv file.")
        return cls.from_tsv(path.read_text(encoding="utf-8"), name=str(path))

    @classmethod
    def from_tsv(cls, text: str, *, name: str = "genes.tsv") -> GeneVocabulary:
        """Read the text of ``genes.tsv``; see :meth:`load`."""
        lines = text.split("\n")
        header, ids = lines[0].removesuffix("\r"), [line.removesuffix("\r") for line in lines[1:]]
        if header != _HEADER:
            raise InputError(
                f"{name} is not a gene vocabulary: its first line must be {_HEADER!r}. "
                f"Found {header[:40]!r}. Use a file written by GeneVocabulary.save."
            )
        if ids and ids[-1] == "":
            ids.pop()
        vocabulary = cls(ids)
        if list(vocabulary.ids) != ids:
            raise InputError(
                f"{name} is damaged: its ids must be sorted and without Ensembl version, because "
                "each line names one row of the weights. Fetch the file again."
            )
        return vocabulary


def _canonical(ids: Iterable[str]) -> list[str]:
    out = []
    for gene_id in ids:
        if not isinstance(gene_id, str):
            raise InputError(
                f"Gene ids must be text. Found {gene_id!r} of type {type(gene_id).__name__}. "
                "Set adata.var_names to gene symbols or Ensembl ids."
            )
        if not gene_id or gene_id != gene_id.strip() or not _BREAKS.isdisjoint(gene_id):
            raise InputError(
                f"Gene ids must be non-empty, without white space around them. Found {gene_id!r}. "
                "Clean them with adata.var_names = adata.var_names.str.strip()."
            )
        out.append(strip_version(str(gene_id)))
    return out
