"""How a recipe names the data of a run."""

from __future__ import annotations

import glob
from pathlib import Path

from sctabnet.data.open_sources import Source


def source_names(source: Source) -> list[str] | None:
    """Return the names, paths in full; None for data that are only in memory.

    Manifest names and addresses stay as they are: a run can be resumed from anywhere.
    """
    if isinstance(source, str | Path):
        source = [source]
    elif not isinstance(source, list | tuple):
        return None
    names = []
    for item in source:
        if not isinstance(item, str | Path):
            return None
        is_path = Path(item).exists() or glob.has_magic(str(item))
        names.append(str(Path(item).absolute()) if is_path else str(item))
    return names
