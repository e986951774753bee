"""Gene-token TabNet for single-cell RNA data: pretrain, transfer labels, rank genes.

>>> import sctabnet as sct

- ``sct.pretrain``, ``sct.finetune``, ``sct.Model``: make, load and save models.
- ``sct.tl``: apply a model to an AnnData, in place. ``sct.get``: results as data frames.
  ``sct.pl``: results as pictures. ``sct.datasets``: small data to try things on.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sctabnet._settings import settings

if TYPE_CHECKING:
    from sctabnet import datasets, evaluate, get, pl, report, tabular, tl
    from sctabnet._print_versions import print_versions
    from sctabnet.model.model import Model
    from sctabnet.train.adapt import adapt
    from sctabnet.train.finetune import finetune
    from sctabnet.train.pretrain import pretrain

__version__ = "0.1.0"

# Loaded when first asked for: `import sctabnet` must not cost an import of scanpy and lightning.
_LAZY = {
    "Model": "sctabnet.model.model",
    "adapt": "sctabnet.train.adapt",
    "finetune": "sctabnet.train.finetune",
    "pretrain": "sctabnet.train.pretrain",
    "print_versions": "sctabnet._print_versions",
}
_MODULES = ("datasets", "evaluate", "get", "pl", "report", "tabular", "tl")

__all__ = [
    "Model",
    "adapt",
    "datasets",
    "evaluate",
    "finetune",
    "get",
    "pl",
    "pretrain",
    "print_versions",
    "report",
    "settings",
    "tabular",
    "tl",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"sctabnet.{name}")
    msg = f"module 'sctabnet' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
