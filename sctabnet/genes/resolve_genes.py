from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sctabnet.genes.gene_catalogue import Gene, GeneCatalogue
from sctabnet.genes.gene_vocabulary import GeneVocabulary
from sctabnet.genes.orthologs import Orthologs
from sctabnet.genes.strip_version import strip_version

# from the surest to the least sure; where two columns are one gene, the surer one is it
_SURE = ("as is", *GeneCatalogue.LEVELS, "ortholog")


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of the names of n columns.

    Attributes
    ----------
    ids
        Id of each column's gene, or its own name where none was settled on.
    matches
        How it was found: ``"as is"``, ``"Ensembl id"``, ``"symbol"``, ``"previous symbol"``,
        ``"alias"``, ``"ortholog"``; or why not: ``"ambiguous"`` (may mean several genes),
        ``"duplicate"`` (a gene that another column is, more surely or as surely),
        ``"not in the model"``, ``"unknown"``.
    candidates
        What an ambiguous name may mean, or the gene of a duplicate.
    """

    ids: tuple[str, ...]
    matches: tuple[str, ...]
    candidates: tuple[tuple[str, ...], ...]


def resolve_genes(
    names: Iterable[str],
    catalogues: Sequence[GeneCatalogue],
    *,
    vocabulary: GeneVocabulary | None = None,
    to: Literal["ensembl", "symbol"] = "ensembl",
    orthologs: Orthologs | None = None,
) -> Resolution:
    """Find out which gene each name means; nothing is guessed.

    Parameters
    ----------
    names
        Names of columns: Ensembl ids with or without version, symbols of any age, or a mixture.
    catalogues
        What is known of names. The first that knows one decides.
    vocabulary
        Genes of a model, which are looked up in the same way, so that old and new names of a gene
        meet. Without it ``to`` decides what ids are given.
    to
        Ensembl ids or approved symbols, without ``vocabulary``.
    orthologs
        Where the names are of another species.
    """
    names = [strip_version(str(name)) for name in names]
    if orthologs is None:
        means = [_find(name, catalogues) for name in names]
    else:
        means = _translated(names, catalogues, orthologs)
    in_model = None if vocabulary is None else _by_gene(vocabulary, catalogues)
    found: list[tuple[str, tuple[str, ...]]] = []
    for name, (how, genes) in zip(names, means, strict=True):
        if vocabulary is not None and orthologs is None and name in vocabulary:
            found.append(("as is", (name,)))
        elif in_model is None:
            found.append(_said(how, genes, to))
        else:
            found.append(_said_in(in_model, how, genes))
    return _settle(names, found)


def _find(name: str, catalogues: Sequence[GeneCatalogue]) -> tuple[str, tuple[Gene, ...]]:
    for catalogue in catalogues:
        how, genes = catalogue.find(name)
        if genes:
            return how, genes
    return "unknown", ()


def _translated(
    names: Sequence[str], catalogues: Sequence[GeneCatalogue], orthologs: Orthologs
) -> list[tuple[str, tuple[Gene, ...]]]:
    """Return the genes of the other species: by the name itself, or by the symbol of its id."""
    symbols = {}
    for name in names:
        _, genes = _find(name, catalogues)
        symbols[name] = genes[0].symbol if len(genes) == 1 else name
    partners = orthologs.partners([*names, *symbols.values()])
    found = []
    for name in names:
        own = partners.get(name) or partners.get(symbols[name], ())
        # what no table knows may still be what the model calls it
        theirs = [g for symbol in own for g in _find(symbol, catalogues)[1] or (Gene("", symbol),)]
        found.append(("ortholog" if theirs else "unknown", tuple(dict.fromkeys(theirs))))
    return found


def _said(how: str, genes: tuple[Gene, ...], to: str) -> tuple[str, tuple[str, ...]]:
    """Return the ids of the genes in the wanted kind of id."""
    ids = tuple(gene.ensembl if to == "ensembl" else gene.symbol for gene in genes)
    if len(genes) > 1:
        return "ambiguous", tuple(i or _key(g) for i, g in zip(ids, genes, strict=True))
    return (how, ids) if any(ids) else ("unknown", ())


def _said_in(
    in_model: dict[str, list[str]], how: str, genes: tuple[Gene, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return the model's ids of the genes. That a name may mean a gene outside counts too."""
    ids = tuple(i for gene in genes for i in in_model.get(_key(gene), [_key(gene)]))
    if not any(_key(gene) in in_model for gene in genes):
        return ("not in the model" if genes else "unknown"), ids
    return ("ambiguous" if len(ids) > 1 else how), ids


def _key(gene: Gene) -> str:
    return gene.ensembl or gene.symbol


def _by_gene(
    vocabulary: GeneVocabulary, catalogues: Sequence[GeneCatalogue]
) -> dict[str, list[str]]:
    """Return the model's ids of each gene; an ambiguous id stands for its own name alone."""
    ids: dict[str, list[str]] = {}
    for gene_id in vocabulary.ids:
        _, genes = _find(gene_id, catalogues)
        key = _key(genes[0]) if len(genes) == 1 else gene_id
        ids.setdefault(key, []).append(gene_id)
    return ids


def _settle(names: Sequence[str], found: Sequence[tuple[str, tuple[str, ...]]]) -> Resolution:
    """Give each id to one column at most: the one that is surest, if no other is as sure."""
    rank = {how: i for i, how in enumerate(_SURE)}
    claims = Counter((ids[0], rank[how]) for how, ids in found if how in rank)
    surest: dict[str, int] = {}
    for gene_id, of in claims:
        surest[gene_id] = min(of, surest.get(gene_id, of))
    ids_out, matches, candidates = [], [], []
    for name, (how, ids) in zip(names, found, strict=True):
        settled = how in rank
        if settled and (surest[ids[0]] < rank[how] or claims[ids[0], rank[how]] > 1):
            settled, how = False, "duplicate"
        ids_out.append(ids[0] if settled else name)
        matches.append(how)
        candidates.append(() if settled else ids)
    return Resolution(tuple(ids_out), tuple(matches), tuple(candidates))
