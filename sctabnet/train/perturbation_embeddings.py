from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet.heads.perturb_table import PerturbEmbedding
from sctabnet.model.model import Model


def perturbation_embeddings(
    init: Model | None, given: Mapping[str, Any] | None
) -> tuple[PerturbEmbedding, ...]:
    """Return what is known of entities from elsewhere, centred and of unit length.

    Parameters
    ----------
    init
        Pretrained model, whose gene embeddings are one source; or None.
    given
        Further sources by name: a data frame with one row per entity, or a mapping from entity to
        vector.

    Raises
    ------
    ValueError
        If a source is no table of finite numbers with at least two entities.
    """
    sources = []
    if init is not None:
        weight = init.network.encoder.embeddings().detach().cpu().double().numpy()
        sources.append(_unit(tuple(init.vocabulary.ids), weight[:-1]))
    given = {} if given is None else given
    _checks.check_kind(given, Mapping, argument="embeddings", advice="Give each source a name.")
    for name, source in given.items():
        frame = pd.DataFrame()
        try:
            frame = source if isinstance(source, pd.DataFrame) else pd.DataFrame(dict(source)).T
            vectors = frame.to_numpy(dtype=np.float64)
        except (TypeError, ValueError):
            vectors = np.full((1, 1), np.nan)
        if len(vectors) < 2 or not np.isfinite(vectors).all() or not frame.index.is_unique:
            raise InputError(
                f"embeddings[{name!r}] must be numbers, one row per entity. Found "
                f"{type(source).__name__} of shape {frame.shape}. Pass a data frame of finite "
                "numbers whose index names each perturbed entity once."
            )
        sources.append(_unit(tuple(str(entity) for entity in frame.index), vectors))
    return tuple(sources)


def _unit(names: tuple[str, ...], vectors: np.ndarray) -> PerturbEmbedding:
    centred = vectors - vectors.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return PerturbEmbedding(names, centred / np.maximum(length, 1e-12))
