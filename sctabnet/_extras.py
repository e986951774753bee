"""Packages that only some calls need: asked for when such a call is made."""

from __future__ import annotations

import importlib
from types import ModuleType


def extra(module: str, name: str, call: str) -> ModuleType:
    """Return a module that comes with the extra ``name``, for ``call``.

    Raises
    ------
    ImportError
        If it is not installed; says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{call} needs {module}, which is not installed. Run: pip install 'sctabnet[{name}]'."
        ) from error
