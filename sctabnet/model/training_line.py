"""A training run in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 5


def training_line(entry: Mapping[str, Any]) -> str:
    """Return task, cells and sources of an entry of a model's history.

    Examples
    --------
    >>> training_line({"task": "labels", "n_cells": 2000, "sources": [{"name": "blood.h5ad"}]})
    'labels on 2,000 cells of blood.h5ad'
    """
    cells = f" on {entry['n_cells']:,} cells" if entry.get("n_cells") is not None else ""
    names = [source["name"] for source in entry.get("sources", ())]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    sources = f" of {', '.join(names[:_SHOWN])}{more}" if names else ""
    return f"{entry.get('task', 'unknown')}{cells}{sources}"
