from __future__ import annotations

import numpy as np
from anndata import AnnData
from tqdm.auto import tqdm

from sctabnet._keys import Keys
from sctabnet._settings import settings
from sctabnet._value_kind import ValueKind
from sctabnet.model.model import Model
from sctabnet.tl._check_applicable import check_applicable
from sctabnet.tl._merged_uns import merged_uns
from sctabnet.tl._open_query import open_query
from sctabnet.tl._params import params


def embed(
    adata: AnnData,
    model: Model,
    *,
    layer: str | None = None,
    value_kind: ValueKind | None = None,
    key_added: str = "sctabnet",
    copy: bool = False,
) -> AnnData | None:
    """Write an embedding of every cell, batch-corrected where the model was given batches.

    That is its place along the main axes of the cells that the model was trained on, which are
    linear in the genes, drawn towards its label where the model has labels. A model that was
    trained with ``batch_key`` takes off what each batch adds to each kind of cell; it reads a
    cell's batch from the column of that name, and corrects nothing in cells of a batch that it
    does not know. A cell's embedding depends on that cell alone: new cells leave those of the
    reference as they are.

    Parameters
    ----------
    adata
        Cells; in memory or backed.
    model
        Pretrained or fine-tuned model.
    layer
        Layer to read, ``"raw"`` for ``.raw``, or None for ``X``.
    value_kind
        ``"counts"`` or ``"log1p"``, where you know it and the values leave doubt.
    key_added
        Prefix of the slots.
    copy
        Return a copy instead of writing into ``adata``.

    Returns
    -------
    Returns ``None`` if ``copy=False``, else the AnnData. Sets the following fields:

    ``adata.obsm["X_" + key_added]``
        float32 (cells, n_d); for ``sc.pp.neighbors(adata, use_rep="X_sctabnet")``.
    ``adata.uns[key_added]["params"]``
        How it was made.

    Raises
    ------
    ValueError, KeyError
        If the data do not fit the model; ``adata`` is unchanged then.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata, model = sct.datasets.example()
    >>> sct.tl.embed(adata, model)
    >>> adata.obsm["X_sctabnet"].shape
    (240, 8)
    """
    keys = Keys(key_added)
    check_applicable(adata, model, copy=copy)
    corpus = open_query(adata, model, layer=layer, value_kind=value_kind)
    embedding = np.zeros((corpus.n_cells, model.config.encoder.n_d), dtype=np.float32)
    minibatches = corpus.minibatches(minibatch_size=settings.minibatch_size)
    with tqdm(
        total=corpus.n_cells, unit="cell", desc="embed", disable=not settings.progress_bar
    ) as bar:
        for minibatch, prediction in model.predict(minibatches):
            rows = minibatch.row_ids.cpu().numpy()
            embedding[rows] = model.network.integrated(minibatch, prediction).cpu().numpy()
            bar.update(len(rows))
    uns = merged_uns(adata, keys.uns, params("embed", model, layer=layer))
    result = adata
    if copy:
        result = adata.to_memory() if adata.isbacked else adata.copy()
    result.obsm[keys.embedding] = embedding
    result.uns[keys.uns] = uns
    return result if copy else None
