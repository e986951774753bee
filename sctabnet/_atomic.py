"""Writes that either happen wholly or leave the old file as it was."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def fsync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` durable (a rename lives in the folder, not in the file)."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_sibling(path: Path) -> Path:
    """Return an unused hidden name beside ``path``: same folder, so that a rename is atomic.

    The suffix is kept (``.h5ad`` stays ``.h5ad``), because some writers choose their format by it.
    """
    return path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.tmp{path.suffix}")


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that takes the place of ``path`` when the block ends well.

    The temporary file lies in the same folder, is flushed to disk, and replaces ``path`` in one
    step. If the block raises, or writes nothing, it is removed and ``path`` is untouched.

    Parameters
    ----------
    path
        File to write; its folder must exist.

    Yields
    ------
    pathlib.Path
        Where to write. The name ends like ``path``.

    Raises
    ------
    FileNotFoundError
        If the block did not write the file.
    OSError
        If the folder cannot be written to or the disk is full; ``path`` is as it was.
    """
    target = Path(path)
    temporary = temporary_sibling(target)
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(target.parent)


def atomic_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8 with Unix line ends, wholly or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
