"""Messages about files and folders that the user named; see :mod:`sctabnet._checks`."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sctabnet._errors import InputError, MissingFileError

FEW_SHARED = 0.1  # share of its genes below which a data set stands alone


def check_h5ad(path: str | os.PathLike[str]) -> None:
    """Raise unless ``path`` is an HDF5 file of full length with ``obs`` and ``var`` in it."""
    import h5py

    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist. Give the path of an .h5ad file.")
    if path.is_dir():
        raise InputError(f"{path} is a folder. Give the path of an .h5ad file.")
    try:
        with h5py.File(path, "r") as file:
            check_no_links(file, path)
            lacking = [group for group in ("obs", "var") if group not in file]
    except OSError as error:
        reason = str(error).split("(", 1)[-1].rstrip(")")
        raise InputError(
            f"{path} cannot be read as h5ad: it is damaged, truncated or of another format. "
            f"Found {path.stat().st_size} bytes; HDF5 says: {reason}. Fetch or write it again."
        ) from None
    if lacking:
        raise InputError(
            f"{path} is HDF5 but no h5ad file. Found no {' and no '.join(lacking)} in it. "
            "Give a file written by adata.write_h5ad."
        )


def warn_of_foreign_genes(measured: Any, names: Any) -> None:
    """Warn if a data set has next to no gene in common with the others.

    ``measured`` is bool (data sets, genes), and ``names`` are those of the data sets.
    """
    shared = (measured & (measured.sum(0) > 1)).sum(1)
    alone = [
        f"{name} ({n} of its {total} genes)"
        for name, n, total in zip(names, shared, measured.sum(1), strict=True)
        if n < FEW_SHARED * total
    ]
    if alone and len(measured) > 1:
        more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
        warnings.warn(
            f"Data sets share too few genes to learn from each other. Found {alone[:3]}{more} also "
            "measured by another. Give all the same kind of gene names, for instance by "
            "sctabnet.tl.resolve_genes.",
            UserWarning,
            stacklevel=4,
        )


def warn_of_repeats(paths: Sequence[str]) -> None:
    """Warn if a file is named twice: every cell of it counts twice then."""
    places = [path if "://" in path else str(Path(path).resolve()) for path in paths]
    twice = sorted(place for place, times in Counter(places).items() if times > 1)
    if twice:
        warnings.warn(
            f"The same data are named twice, and every cell counts twice. Found {twice[:5]}. Name "
            "each file once; a pattern may match one that is named beside it.",
            UserWarning,
            stacklevel=5,
        )


def check_no_links(file: Any, path: str | os.PathLike[str]) -> None:
    """Raise if an open HDF5 file links into another, which would hand out whatever lies there."""
    import h5py

    def external(name: str | bytes, link: Any) -> Any:
        return (name, link.filename) if isinstance(link, h5py.ExternalLink) else None

    found = file.visititems_links(external)
    if found is not None:
        raise InputError(
            f"{path} points at another file. Found a link from {found[0]!r} to {found[1]!r}. "
            "Write the file again with its data inside."
        )


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise unless a file or folder can be made at ``path``; changes nothing on disk."""
    path = Path(path)
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise InputError(
            f"{path} cannot be written. Found {error.strerror or error} in {parent}. "
            "Choose another place, or change the permissions of that folder."
        ) from None


def check_not_there(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise if something lies at ``path`` already and ``overwrite`` was not asked for."""
    if not overwrite and os.path.lexists(path):
        raise InputError(
            f"{path} exists already. Nothing was changed. Pass overwrite=True, or another path."
        )


def check_new_file(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise unless a file can be made at ``path``, in place of another one if ``overwrite``."""
    check_not_there(path, overwrite=overwrite)
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder. Nothing was changed. Give the path of a file.")
    check_writable(path)


def check_new_folder(path: str | os.PathLike[str]) -> None:
    """Raise unless a folder can be made at ``path``, where nothing or an empty folder may be."""
    path = Path(path)
    if not path.is_dir() or any(path.iterdir()):
        check_not_there(path, overwrite=False)
    check_writable(path)


def check_model_folder(path: str | os.PathLike[str]) -> None:
    """Raise unless ``path`` is a folder with a manifest in it."""
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist. Give a folder written by model.save.")
    if not path.is_dir() or not (path / "manifest.json").is_file():
        found = sorted(p.name for p in path.iterdir())[:10] if path.is_dir() else "a file"
        raise InputError(
            f"{path} is not a model folder: there is no manifest.json. Found {found}. "
            "Give a folder written by model.save or `sctabnet export`."
        )


def damaged_model(path: str | os.PathLike[str], what: str) -> InputError:
    """Return the error for a model folder that is not as it was written."""
    return InputError(
        f"{path} is not as it was written: {what}. Nothing was loaded. Fetch or export it again."
    )
