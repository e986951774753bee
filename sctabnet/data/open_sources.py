from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from anndata import AnnData

from sctabnet._errors import InputError, MissingFileError
from sctabnet._file_checks import warn_of_repeats
from sctabnet.data.anndata_source import anndata_source
from sctabnet.data.h5ad_source import h5ad_source
from sctabnet.data.manifest_files import manifest_files
from sctabnet.data.soma_source import SomaSource
from sctabnet.data.source import CellSource
from sctabnet.data.zarr_source import zarr_source

Source: TypeAlias = AnnData | str | Path | Iterable[AnnData | str | Path]

_SOMA = "soma+"  # before the address of an experiment in an object store
_MANIFEST = re.compile(r"[\w-]+|.*\.tsv")  # a bare name, or a table of files


def open_sources(source: Source, *, layer: str | None = None) -> list[CellSource]:
    """Open every data set that ``source`` names.

    Parameters
    ----------
    source
        An AnnData, a path, a pattern such as ``"atlas/*.h5ad"``, or a list of these. Paths end in
        ``.h5ad`` or ``.zarr``; a prepared corpus is a ``.zarr`` folder. The folder of a TileDB-SOMA
        experiment (CELLxGENE Census) is read too, ``soma+s3://...`` where it is far away.
    layer
        None for ``X``, ``"raw"`` for ``raw.X``, otherwise a layer's name.

    Raises
    ------
    FileNotFoundError
        If a file does not exist or a pattern matches none.
    ValueError
        If there is no data set, or one cannot be read.
    KeyError
        If the layer does not exist.
    """
    items: list[Any] = [source]
    # tables iterate too, but over names of columns or rows
    is_table = getattr(source, "ndim", 1) != 1
    if isinstance(source, Iterable) and not isinstance(source, str) and not is_table:
        items = list(source)
    found: list[AnnData | str] = []
    for item in items:
        if not isinstance(item, AnnData | str | Path) or str(item) == "":
            raise InputError(
                "Data must be an AnnData, a path, or a list of these. Found "
                f"{repr(item) if isinstance(item, str) else type(item).__name__}."
            )
        found += [item] if isinstance(item, AnnData) else _expand(str(item))
    if not found:
        raise InputError(
            "There is no data set to read. Found an empty list. Pass at least one path."
        )
    warn_of_repeats([item for item in found if isinstance(item, str)])
    return [
        _open_path(item, layer) if isinstance(item, str) else anndata_source(item, layer=layer)
        for item in found
    ]


def _expand(pattern: str) -> list[str]:
    if "://" in pattern or (Path(pattern).exists() and not pattern.endswith(".tsv")):
        return [pattern]
    if _MANIFEST.fullmatch(pattern):
        return [str(path) for path in manifest_files(pattern)]
    found = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else []  # noqa: PTH207
    if not found:
        raise MissingFileError(
            f"{pattern} does not exist. Give the path of an .h5ad file or a .zarr folder, "
            "a pattern that matches some, or the name of a data manifest."
        )
    return found


def _open_path(path: str, layer: str | None) -> CellSource:
    if path.startswith(_SOMA) or (Path(path) / "__tiledb_group.tdb").exists():
        return SomaSource(path.removeprefix(_SOMA), layer=layer)
    if "://" in path or Path(path).is_dir():
        return zarr_source(path, layer=layer)
    return h5ad_source(path, layer=layer)
