"""What a run was computed with."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from sctabnet import __version__

_PACKAGES = ("torch", "lightning", "numpy", "numba", "anndata", "safetensors")


def environment() -> dict[str, str]:
    """Return versions of sctabnet, Python and the libraries, and the commit if there is one.

    The commit is that of the checkout sctabnet runs from, with ``-dirty`` behind it where files
    were changed; ``none`` for an installed package.
    """
    found = {"sctabnet": __version__, "python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    return found | {"platform": platform.platform(), "commit": _commit()}


def _commit() -> str:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "none"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip()
