from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anndata import AnnData

from sctabnet._errors import InputError


def merged_uns(adata: AnnData, key: str, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``adata.uns`` has under ``key``, with ``new`` added; changes nothing.

    Raises
    ------
    ValueError
        If something else is there.
    """
    there = adata.uns.get(key, {})
    if not isinstance(there, Mapping):
        raise InputError(
            f"adata.uns[{key!r}] is not of sctabnet. Found {type(there).__name__}. Nothing was "
            "changed. Pass key_added=... for another name, or remove it."
        )
    return {**there, **new}
