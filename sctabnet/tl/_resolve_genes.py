from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from anndata import AnnData

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet._keys import Keys
from sctabnet.genes.gene_catalogue import GeneCatalogue
from sctabnet.genes.orthologs import Orthologs
from sctabnet.genes.resolve_genes import resolve_genes as resolve
from sctabnet.model.model import Model


def resolve_genes(
    adata: AnnData,
    table: str | Path | Sequence[str | Path],
    *,
    model: Model | None = None,
    to: Literal["ensembl", "symbol"] = "ensembl",
    orthologs: str | Path | None = None,
    column: str | None = None,
    ambiguous: Literal["list", "refuse"] = "list",
    key_added: str = "sctabnet",
    overwrite: bool = False,
    copy: bool = False,
) -> AnnData | None:
    r"""Name genes as a model does, from tables on disk; nothing is guessed or fetched.

    Ensembl ids lose their version; symbols are looked up as approved, previous, and alias, in this
    order. Of two columns that are one gene, the surer match gets its name; neither does if they
    are equally sure. A gene that the model knows and no column is, stays not measured.

    Parameters
    ----------
    adata
        Its ``var_names`` change; its matrix does not. ``.raw`` keeps its names.
    table
        HGNC's complete set, or two columns of Ensembl ids and names (GENCODE), plain or gzipped;
        several are asked in turn. For another species, one of its Ensembl ids and symbols too, if
        the names are Ensembl ids.
    model
        Whose names to use; what the model calls its genes is looked up in the same tables.
    to
        Ensembl ids or approved symbols, without ``model``.
    orthologs
        Two columns of symbols, one per species, in either order, where the genes of ``adata`` are
        of another species. Only genes that are one to one are translated.
    column
        Column of ``var`` that holds the names; ``var_names`` if None.
    ambiguous
        ``"list"`` leaves names that may mean several genes as they are, and says so; ``"refuse"``
        raises.
    key_added
        Prefix of the columns.
    overwrite
        Replace columns of that name.
    copy
        Return a copy instead of writing into ``adata``.

    Returns
    -------
    Returns ``None`` if ``copy=False``, else the AnnData. Sets the following fields:

    ``adata.var_names``
        Id of each gene, or the name as it was (without version) where none was settled on.
    ``adata.var[key_added + "_gene_name"]``
        The names as they were.
    ``adata.var[key_added + "_gene_match"]``
        categorical: ``"as is"``, ``"Ensembl id"``, ``"symbol"``, ``"previous symbol"``,
        ``"alias"``, ``"ortholog"``; or ``"ambiguous"``, ``"duplicate"``, ``"not in the model"``,
        ``"unknown"``.
    ``adata.var[key_added + "_gene_candidates"]``
        What an ambiguous name may mean, and the gene that a duplicate is, joined by ``|``.

    Raises
    ------
    ValueError, KeyError, FileNotFoundError
        If a table cannot be read, a column does not exist or exists already, or names are
        ambiguous and ``ambiguous="refuse"``; ``adata`` is unchanged then.

    Examples
    --------
    >>> import anndata, numpy, pathlib, tempfile
    >>> import sctabnet as sct
    >>> table = pathlib.Path(tempfile.mkdtemp()) / "genes.tsv"
    >>> _ = table.write_text("ensembl_gene_id\tsymbol\nENSG00000000001\tA1\n")
    >>> adata = anndata.AnnData(numpy.ones((2, 2)), var={"symbol": ["A1", "other"]})
    >>> sct.tl.resolve_genes(adata, table, column="symbol")
    >>> list(adata.var_names), list(adata.var["sctabnet_gene_match"])
    (['ENSG00000000001', 'other'], ['symbol', 'unknown'])
    """
    keys = Keys(key_added)
    _checks.check_kind(adata, AnnData, argument="adata", advice="Read the file first.")
    if model is not None:
        _checks.check_kind(model, Model, argument="model", advice="Use sctabnet.Model.load first.")
    _checks.check_choice(to, ("ensembl", "symbol"), argument="to")
    _checks.check_choice(ambiguous, ("list", "refuse"), argument="ambiguous")
    columns = [keys.gene_name, keys.gene_match, keys.gene_candidates]
    _checks.check_slots_free(adata.var.columns, columns, slot="var", overwrite=overwrite)
    if column is not None and column not in adata.var:
        raise InputError(
            f"column={column!r} is not a column of adata.var. Found {list(adata.var.columns)}. "
            "Pass one of these, or None for adata.var_names."
        )
    paths = [table] if isinstance(table, str | Path) else list(table)
    if not paths:
        raise InputError("There is no table of genes to look in. Found an empty list.")
    names = [str(n) for n in (adata.var_names if column is None else adata.var[column])]
    found = resolve(
        names,
        [GeneCatalogue.load(path) for path in paths],
        vocabulary=None if model is None else model.vocabulary,
        to=to,
        orthologs=None if orthologs is None else Orthologs.load(orthologs),
    )
    unclear = [n for n, how in zip(names, found.matches, strict=True) if how == "ambiguous"]
    counts = ", ".join(f"{n:,} {how}" for how, n in Counter(found.matches).most_common())
    if unclear and ambiguous == "refuse":
        raise InputError(
            f"Names of genes must not be ambiguous. Found {len(unclear)} that are: {unclear[:10]} "
            f"(all: {counts}). Rename them, or pass ambiguous='list' to leave them as they are."
        )
    result = adata
    if copy:
        result = adata.to_memory() if adata.isbacked else adata.copy()
    result.var[keys.gene_name] = names
    result.var[keys.gene_match] = pd.Categorical(found.matches)
    result.var[keys.gene_candidates] = ["|".join(of) for of in found.candidates]
    result.var_names = list(found.ids)
    if unclear:
        warnings.warn(
            f"{len(unclear)} names may mean several genes and stay as they are: {unclear[:5]} "
            f"(all: {counts}). See adata.var[{keys.gene_candidates!r}].",
            UserWarning,
            stacklevel=2,
        )
    return result if copy else None
