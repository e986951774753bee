from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sctabnet._errors import InputError, MissingFileError
from sctabnet.genes.strip_version import strip_version

_ENSEMBL = re.compile(r"ENS[A-Z]*G\d{11}")


class Gene(NamedTuple):
    """A gene: Ensembl id and approved symbol, one of which may be empty."""

    ensembl: str
    symbol: str


class GeneCatalogue:
    """Which genes a name can mean: by Ensembl id, approved symbol, previous symbol, or alias.

    The first of these that knows a name decides, because a symbol that is approved today is hardly
    ever meant in the sense that it had for another gene before.

    Parameters
    ----------
    entries
        Genes, each with its previous symbols and its aliases. Entries with the same Ensembl id are
        one gene, and so are entries without one that have the same symbol.

    Examples
    --------
    >>> catalogue = GeneCatalogue([(Gene("ENSG00000010610", "CD4"), ["OLD4"], ["T4"])])
    >>> catalogue.find("OLD4")
    ('previous symbol', (Gene(ensembl='ENSG00000010610', symbol='CD4'),))
    """

    LEVELS = ("Ensembl id", "symbol", "previous symbol", "alias")

    def __init__(self, entries: Iterable[tuple[Gene, Iterable[str], Iterable[str]]]) -> None:
        self._known: dict[str, dict[str, list[Gene]]] = {level: {} for level in self.LEVELS}
        for gene, previous, aliases in entries:
            names = ([gene.ensembl], [gene.symbol], previous, aliases)
            for level, of_level in zip(self.LEVELS, names, strict=True):
                for name in of_level:
                    genes = self._known[level].setdefault(name, [])
                    if name and gene not in genes:
                        genes.append(gene)

    @classmethod
    def load(cls, path: str | Path) -> GeneCatalogue:
        """Read a table of genes, also compressed with gzip.

        Either the complete set of HGNC (tab-separated, with the columns ``symbol``,
        ``ensembl_gene_id``, ``alias_symbol`` and ``prev_symbol``), or two columns of Ensembl ids
        and names, separated by commas or tabs, with or without a header.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or it is neither.
        """
        path = Path(path)
        if not path.is_file():
            raise MissingFileError(
                f"{path} does not exist. Give the path of a table of genes, such as the complete "
                "set of https://www.genenames.org."
            )
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8", errors="replace")
        header = text.split("\n", 1)[0].split("\t")
        if {"symbol", "ensembl_gene_id", "alias_symbol", "prev_symbol"} <= set(header):
            return cls(_hgnc(text))
        entries = list(_pairs(text))
        if not entries:
            raise InputError(
                f"{path} is no table of genes. Found the first line {text[:60]!r}. Give HGNC's "
                "complete set, or two columns of Ensembl ids and names."
            )
        return cls(entries)

    def find(self, name: str) -> tuple[str, tuple[Gene, ...]]:
        """Return what kind of name it is and the genes that it can mean; none if it is unknown."""
        plain = strip_version(name)
        for level in self.LEVELS:
            if genes := self._known[level].get(plain):
                return level, tuple(genes)
        return "", ()


def _hgnc(text: str) -> Iterator[tuple[Gene, list[str], list[str]]]:
    for row in csv.DictReader(io.StringIO(text), delimiter="\t"):
        if (row.get("status") or "Approved") == "Approved":
            yield (
                Gene(strip_version(row["ensembl_gene_id"] or ""), row["symbol"]),
                _listed(row["prev_symbol"]),
                _listed(row["alias_symbol"]),
            )


def _listed(field: str | None) -> list[str]:
    return [name.strip() for name in (field or "").strip('"').split("|") if name.strip()]


def _pairs(text: str) -> Iterator[tuple[Gene, list[str], list[str]]]:
    for line in text.splitlines():
        ensembl, _, rest = line.replace("\t", ",").partition(",")
        gene = strip_version(ensembl.strip())
        if _ENSEMBL.fullmatch(gene):
            yield Gene(gene, rest.partition(",")[0].strip()), [], []
