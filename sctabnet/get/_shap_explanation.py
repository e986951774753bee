from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from anndata import AnnData

from sctabnet import _checks
from sctabnet._extras import extra
from sctabnet._result_checks import check_gene
from sctabnet._settings import settings
from sctabnet._value_kind import ValueKind
from sctabnet.genes.align import align
from sctabnet.importance.cell_contributions import cell_contributions
from sctabnet.importance.explain import PATH_STEPS
from sctabnet.model.model import Model
from sctabnet.tl._open_query import open_query

if TYPE_CHECKING:
    import shap


def shap_explanation(
    adata: AnnData,
    model: Model,
    label: str | None = None,
    *,
    genes: Sequence[str] | None = None,
    n_genes: int = 100,
    max_cells: int = 1000,
    method: Literal["contribution", "integrated_gradients"] = "contribution",
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    random_state: int = 0,
) -> shap.Explanation:
    """Return what genes add to the answer for single cells, for the plots of ``shap``.

    The numbers are those that :func:`sctabnet.tl.gene_importance` averages, cell by cell: they come
    from the model itself and not from sampling. Needs ``pip install 'sctabnet[shap]'``.

    Parameters
    ----------
    adata
        Cells to explain, such as ``adata[adata.obs["sctabnet_label"] == "B cell"]``; in memory or
        backed.
    model
        Model with a label head.
    label
        Explain this label of the model for every cell; None explains each cell's predicted one.
    genes
        Names of ``adata.var_names`` to explain; None takes those of the largest mean absolute
        contribution to these cells.
    n_genes
        How many that are.
    max_cells
        Draw so many cells at most. Contributions of all genes are held for these cells only, and
        only where a cell expresses them; what is returned has ``max_cells`` x ``n_genes`` numbers.
    method
        ``"contribution"`` or ``"integrated_gradients"``, see :func:`sctabnet.tl.gene_importance`.
    layer
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``.
    value_kind
        ``"counts"`` or ``"log1p"``, where you know it and the values leave doubt.
    random_state
        Seed of the draw.

    Returns
    -------
    shap.Explanation
        ``values``: float64 (cells, genes), what a gene adds to the label's contrast (its logit
        less the mean of the others) over what its mean value would; ``data``: log1p of counts per
        10,000; ``base_values``: (cells,), what the genes that are not shown and the intercept add,
        so that a row of ``values`` and its base sum to the contrast; ``instance_names``: the
        cells; ``feature_names``: the genes, the most important one first unless ``genes`` are
        given.

    Raises
    ------
    ImportError
        If shap is not installed.
    ValueError, KeyError
        If the data do not fit the model, it has no labels, or a name is unknown.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata, model = sct.datasets.example()
    >>> found = sct.get.shap_explanation(adata, model, "T cell", n_genes=5)
    >>> found.shape  # for shap.plots.beeswarm(found) and shap.plots.heatmap(found)
    (240, 5)
    """
    library: Any = extra("shap", "shap", "sctabnet.get.shap_explanation")
    _checks.check_has_labels(model.labels)
    _checks.check_choice(method, ("contribution", "integrated_gradients"), argument="method")
    if label is not None:
        _checks.check_choice(label, model.labels, argument="label")
    corpus = open_query(adata, model, layer=layer, value_kind=value_kind)
    rng = np.random.default_rng(random_state)
    rows = np.sort(rng.permutation(corpus.n_cells)[:max_cells])
    names = np.asarray((adata.raw if layer == "raw" else adata).var_names, dtype=object)
    lut = align(names, model.vocabulary).lut
    found = cell_contributions(
        model,
        corpus.minibatches(rows, minibatch_size=settings.minibatch_size),
        np.any(corpus.measured, axis=0),
        label=None if label is None else model.labels.index(label),
        n_steps=PATH_STEPS if method == "integrated_gradients" else 1,
    )
    if genes is None:
        columns = np.flatnonzero(lut >= 0)
        size = found.mean_size()[lut[columns]]
        columns = columns[np.argsort(-size, kind="stable")[:n_genes]]
    else:
        known = {name: column for column, name in enumerate(names) if lut[column] >= 0}
        for gene in genes:
            check_gene(gene, known)
        columns = np.array([known[gene] for gene in genes], dtype=np.int64)
    values, data = found.of_genes(lut[columns].astype(np.int64))
    return library.Explanation(
        values,
        base_values=found.contrast - values.sum(1),
        data=data,
        instance_names=[str(name) for name in adata.obs_names[rows]],
        feature_names=[str(name) for name in names[columns]],
    )
