from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

from sctabnet._errors import InputError, MissingFileError


class Orthologs:
    """Which gene of one species is which of another.

    Parameters
    ----------
    pairs
        Symbols of the two species.

    Examples
    --------
    >>> Orthologs([("TP53", "Trp53"), ("CD8B", "Cd8b1")]).partners(["Trp53", "Cd8b1"])
    {'Trp53': ('TP53',), 'Cd8b1': ('CD8B',)}
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._forward: dict[str, set[str]] = {}
        self._backward: dict[str, set[str]] = {}
        for one, other in pairs:
            self._forward.setdefault(one, set()).add(other)
            self._backward.setdefault(other, set()).add(one)

    @classmethod
    def load(cls, path: str | Path) -> Orthologs:
        """Read two columns of symbols, separated by a comma or tab; a row needs both to count.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or it holds no pair.
        """
        path = Path(path)
        if not path.is_file():
            raise MissingFileError(
                f"{path} does not exist. Give the path of a table with two columns of symbols, one "
                "per species, such as an export of Ensembl's BioMart."
            )
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        lines = content.decode("utf-8", errors="replace").replace("\t", ",").splitlines()
        fields = [[field.strip().strip('"') for field in line.split(",")] for line in lines]
        pairs = [(row[0], row[1]) for row in fields if len(row) >= 2 and row[0] and row[1]]
        if not pairs:
            raise InputError(
                f"{path} holds no pair of genes. Give a table with two columns of symbols."
            )
        return cls(pairs)

    def partners(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the genes of the other species that each of the names can mean.

        The names are taken to be of the species whose column holds more of them. Names without a
        partner are left out. One partner means one to one; where a gene has several, or shares
        its only one with others, all of them come back, and at least two.
        """
        names = list(names)
        n_forward = sum(name in self._forward for name in names)
        n_backward = sum(name in self._backward for name in names)
        there, back = self._forward, self._backward
        if n_backward > n_forward:
            there, back = back, there
        return {name: self._of(name, there, back) for name in names if name in there}

    def _of(
        self, name: str, there: Mapping[str, set[str]], back: Mapping[str, set[str]]
    ) -> tuple[str, ...]:
        partners = sorted(there[name])
        if len(partners) == 1 and len(back[partners[0]]) > 1:
            # several genes of one partner: whose counts should it get?
            return (*partners, *sorted(back[partners[0]] - {name}))
        return tuple(partners)
