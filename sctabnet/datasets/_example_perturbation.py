from __future__ import annotations

import functools

from anndata import AnnData

from sctabnet._settings import settings
from sctabnet.data.simulate_perturbation import simulate_perturbation
from sctabnet.model.model import Model


def example_perturbation() -> tuple[AnnData, Model]:
    """Return 160 simulated cells of a small screen, and a model that learned from them.

    For examples, and for reports of errors. Four perturbations and two of their combinations are
    simulated, and the model is trained when first asked for, in a few seconds.

    Returns
    -------
    The cells (raw counts of 60 genes, ``obs["perturbation"]`` with ``"control"``), and the model.

    Examples
    --------
    >>> import sctabnet as sct
    >>> screen, model = sct.datasets.example_perturbation()
    >>> screen.shape, screen.obs["perturbation"].nunique()
    ((160, 60), 7)
    """
    screen, model = _made()
    return screen.copy(), model


@functools.cache
def _made() -> tuple[AnnData, Model]:
    from sctabnet.train.finetune import finetune  # loads Lightning, which only training needs

    screen = simulate_perturbation(
        60, n_targets=4, n_pairs=2, n_contexts=1, cells_per_condition=20, n_control=40
    )
    shown, settings.progress_bar = settings.progress_bar, False
    try:
        model = finetune(screen, perturbation_key="perturbation")
    finally:
        settings.progress_bar = shown
    return screen, model
