from __future__ import annotations

import functools
import warnings

from anndata import AnnData

from sctabnet import tl
from sctabnet._settings import settings
from sctabnet.data.simulate import simulate_atlas
from sctabnet.model.model import Model


def example() -> tuple[AnnData, Model]:
    """Return 240 simulated cells with all results, and the small model that made them.

    For examples, for trying plots on, and for reports of errors. The cells are simulated and the
    model is trained when first asked for, in a few seconds; nothing is downloaded.

    Returns
    -------
    The cells (three types in ``obs["cell_type"]``, two batches in ``obs["batch"]``, raw counts of
    120 genes), and the model.

    Examples
    --------
    >>> import sctabnet as sct
    >>> adata, model = sct.datasets.example()
    >>> adata.shape, model.labels
    ((240, 120), ('B cell', 'NK cell', 'T cell'))
    """
    adata, model = _made()
    return adata.copy(), model


@functools.cache
def _made() -> tuple[AnnData, Model]:
    from sctabnet.train.finetune import finetune  # loads Lightning, which only training needs

    adata = simulate_atlas(240, 120, n_types=3, n_markers=6, n_null_programs=2)
    names = {"type_0": "T cell", "type_1": "B cell", "type_2": "NK cell"}
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(names)
    shown, settings.progress_bar = settings.progress_bar, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = finetune(
                adata, labels_key="cell_type", batch_key="batch",
                n_d=8, n_a=8, n_steps=2, max_epochs=2, minibatch_size=64,
            )  # fmt: skip
            tl.transfer_labels(adata, model, coverage=0.9, probability=True, embedding=True)
            tl.gene_importance(adata, model, attention=True)
    finally:
        settings.progress_bar = shown
    return adata, model
