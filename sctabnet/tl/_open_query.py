"""Open the cells that a model is applied to, and refuse what it cannot read."""

from __future__ import annotations

from anndata import AnnData

from sctabnet import _checks
from sctabnet._value_kind import ValueKind
from sctabnet.data.corpus import Corpus
from sctabnet.model.model import Model


def open_query(
    adata: AnnData, model: Model, *, layer: str | None, value_kind: ValueKind | None = None
) -> Corpus:
    """Return the cells of ``adata`` aligned to the genes of ``model``.

    Covariates that the model knows are read where ``adata.obs`` has them; a level that the model
    never saw, or a missing column, is "unknown", which the model was trained for.

    Raises
    ------
    ValueError
        If there are no cells, fewer than 50 shared genes, a gene has two columns, or the values are
        of a kind that the model does not take. With more shared genes but not all, a warning tells
        how many, and which share of the model's attention they carry.
    """
    _checks.check_layer(adata, layer)
    _checks.check_has_cells(adata.n_obs)
    corpus = Corpus.open(
        adata,
        layer=layer,
        vocabulary=model.vocabulary,
        covariate_keys=tuple(model.covariates),
        value_kind=value_kind,
        covariate_levels=model.covariates,
    )
    attention = model.network.encoder.attention.cpu()
    share = None
    if attention.sum() > 0:
        share = float(attention[corpus.measured[0]].sum() / attention.sum())
    alignment = corpus.alignments[0]
    _checks.check_unique_genes(alignment.duplicated)
    _checks.check_shared_genes(
        n_shared=alignment.n_shared,
        n_model=alignment.n_vocabulary,
        query=alignment.unmatched or adata.var_names,
        model=alignment.missing or model.vocabulary.ids,
        attention_covered=share,
        stacklevel=4,
    )
    if corpus.value_kind == "log1p" and model.config.accepts == "counts":
        _checks.refuse_log1p(adata, layer)
    return corpus
