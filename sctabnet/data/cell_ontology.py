from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from sctabnet._errors import InputError, MissingFileError, MissingKeyError

_ROOT = "CL:0000000"  # cell
_SYNONYM = re.compile(r'"((?:[^"\\]|\\.)*)" EXACT')


class CellOntology:
    """Cell types and which of them are kinds of others: the ``is_a`` graph of the Cell Ontology.

    Parameters
    ----------
    names
        Name of every term, by identifier (``CL:0000084``).
    parents
        Terms that each term is directly a kind of.
    synonyms
        Other exact names and former identifiers of terms, each with the terms it may mean.

    Raises
    ------
    ValueError
        If a parent is no term, or a term is its own ancestor.

    Examples
    --------
    >>> ontology = CellOntology({"CL:1": "cell", "CL:2": "T cell"}, {"CL:2": ["CL:1"]})
    >>> ontology.find("t cell"), sorted(ontology.ancestors("CL:2"))
    ('CL:2', ['CL:1', 'CL:2'])
    """

    def __init__(
        self,
        names: Mapping[str, str],
        parents: Mapping[str, Iterable[str]],
        synonyms: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.names = dict(names)
        self.parents = {term: tuple(parents.get(term, ())) for term in self.names}
        strangers = {p for of in self.parents.values() for p in of} - set(self.names)
        if strangers:
            raise InputError(f"Parents must be terms. Found {sorted(strangers)[:5]}.")
        self._named: dict[str, set[str]] = {}
        self._synonyms: dict[str, set[str]] = {}
        for term, name in self.names.items():
            self._named.setdefault(name.casefold(), set()).add(term)
        for name, terms in (synonyms or {}).items():
            self._synonyms.setdefault(name.casefold(), set()).update(terms)
        self._ancestors = self._close()

    @classmethod
    def load(cls, path: str | Path) -> CellOntology:
        """Read the terms ``CL:`` of an OBO file such as ``cl.obo``.

        Obsolete terms are known by the term that replaces them, if there is just one.

        Raises
        ------
        FileNotFoundError, ValueError
            If the file does not exist, or holds no such term.
        """
        path = Path(path)
        if not path.is_file():
            raise MissingFileError(
                f"{path} does not exist. Give the path of cl.obo, which "
                "http://purl.obolibrary.org/obo/cl.obo offers."
            )
        names: dict[str, str] = {}
        parents: dict[str, list[str]] = {}
        synonyms: dict[str, set[str]] = {}
        for term in _terms(path):
            [identifier] = term["id"]
            if not identifier.startswith("CL:"):
                continue
            if term.get("is_obsolete") == ["true"]:
                if len(term.get("replaced_by", ())) == 1:
                    synonyms.setdefault(identifier, set()).update(term["replaced_by"])
                continue
            names[identifier] = term["name"][0]
            parents[identifier] = _parents(term)
            for other in term.get("alt_id", ()):
                synonyms.setdefault(other, set()).add(identifier)
            for synonym in term.get("synonym", ()):
                if match := _SYNONYM.match(synonym):
                    synonyms.setdefault(match[1], set()).add(identifier)
        if not names:
            raise InputError(f"{path} holds no term of the Cell Ontology (CL:...). Give cl.obo.")
        kept = {term: [p for p in of if p in names and p != term] for term, of in parents.items()}
        return cls(names, kept, {name: of & set(names) for name, of in synonyms.items()})

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, term: object) -> bool:
        return term in self.names

    def find(self, label: str) -> str:
        """Return the term that a label names: by identifier, name, or exact synonym.

        Case does not matter, ``CL_0000084`` is ``CL:0000084``, and nothing is guessed.

        Raises
        ------
        KeyError
            If no term, or more than one, has that name; says which come close.
        """
        word = label.strip()
        identifier = re.sub(r"(?i)^cl_(?=\d+$)", "CL:", word)
        if identifier in self.names:
            return identifier
        word = identifier.casefold()
        found = self._named.get(word) or self._synonyms.get(word) or set()
        if len(found) == 1:
            return next(iter(found))
        if found:
            options = [f"{term} ({self.names[term]})" for term in sorted(found)]
            raise MissingKeyError(f"{label!r} may mean {' or '.join(options)}. Give one of these.")
        close = difflib.get_close_matches(word, [*self._named, *self._synonyms], n=3)
        says = f" Close: {close}." if close else ""
        raise MissingKeyError(
            f"{label!r} names no term of the Cell Ontology.{says} Give a name or a CL identifier."
        )

    def find_all(
        self, labels: Iterable[str], given: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Return the term of each label: the one ``given`` for it, else what :meth:`find` says.

        Raises
        ------
        KeyError
            If labels name no term; lists all of them.
        """
        given = given or {}
        terms, errors = [], []
        for label in labels:
            try:
                terms.append(self.find(given.get(label, label)))
            except MissingKeyError as error:
                errors.append(str(error))
        if errors:
            more = f" And {len(errors) - 3} more." if len(errors) > 3 else ""
            raise MissingKeyError(
                f"{' '.join(errors[:3])}{more} Pass ontology_terms={{label: term, ...}}."
            )
        return tuple(terms)

    def ancestors(self, term: str) -> frozenset[str]:
        """Return all terms that ``term`` is a kind of, itself included."""
        return self._ancestors[term]

    def is_a(self, term: str, ancestor: str) -> bool:
        """Whether ``term`` is ``ancestor`` or a kind of it."""
        return ancestor in self._ancestors[term]

    def hops(self, one: str, other: str) -> int:
        """Return the number of ``is_a`` edges on the shortest way between two terms, up or down.

        -1 where no way leads from one to the other.
        """
        steps = {one: 0}
        queue = deque([one])
        while queue:
            term = queue.popleft()
            if term == other:
                return steps[term]
            for neighbour in (*self.parents[term], *self._children[term]):
                if neighbour not in steps:
                    steps[neighbour] = steps[term] + 1
                    queue.append(neighbour)
        return -1

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {term: [] for term in self.names}
        for term, parents in self.parents.items():
            for parent in parents:
                children[parent].append(term)
        return children

    def _close(self) -> dict[str, frozenset[str]]:
        """Return the ancestors of every term, parents before children."""
        waiting = {term: len(parents) for term, parents in self.parents.items()}
        ready = [term for term, n in waiting.items() if n == 0]
        closed: dict[str, frozenset[str]] = {}
        while ready:
            term = ready.pop()
            closed[term] = frozenset({term}).union(*(closed[p] for p in self.parents[term]))
            for child in self._children[term]:
                waiting[child] -= 1
                if waiting[child] == 0:
                    ready.append(child)
        if len(closed) < len(self.names):
            circle = sorted(set(self.names) - set(closed))[:5]
            raise InputError(f"No term can be a kind of itself. Found a circle among {circle}.")
        return closed


def _parents(term: dict[str, list[str]]) -> list[str]:
    """Return what a term is always a kind of.

    ``gci_filler`` marks what holds in one organ only; an ``intersection_of`` without relation is
    the kind that a definition starts from, which not every ``is_a`` repeats.
    """
    kinds = [p for p in term.get("is_a", ()) if "gci_filler" not in p]
    kinds += [p for p in term.get("intersection_of", ()) if p.startswith("CL:")]
    if not kinds and "is_a" in term:
        kinds = [_ROOT]
    return list(dict.fromkeys(p.split(" ")[0] for p in kinds))


def _terms(path: Path) -> Iterator[dict[str, list[str]]]:
    """Yield the tags of every ``[Term]`` stanza."""
    term: dict[str, list[str]] | None = None
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            text = line.strip()
            if text.startswith("["):
                if term:
                    yield term
                term = {} if text == "[Term]" else None
            elif term is not None and ": " in text:
                tag, value = text.split(": ", 1)
                term.setdefault(tag, []).append(value)
    if term:
        yield term
