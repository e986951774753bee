from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import zarr

from sctabnet._errors import InputError
from sctabnet.data.csr_source import CsrSource
from sctabnet.data.group_source import group_source
from sctabnet.data.zarr_entries import zarr_entries


def zarr_source(path: str | Path, *, layer: str | None = None) -> CsrSource:
    """Open an AnnData zarr group (format 2 or 3) as a source of cells; nothing but names is read.

    Parameters
    ----------
    path
        A folder, or the URL of one in an object store (needs fsspec and the store's package).
    layer
        None for ``X``, ``"raw"`` for ``raw.X``, otherwise a layer's name.

    Raises
    ------
    ValueError
        If it is no zarr group, a chunk is missing, or its matrix is not CSR.
    KeyError
        If the layer does not exist.
    """
    try:
        group = zarr.open_group(str(path), mode="r")
    except Exception as error:
        raise InputError(
            f"{path} cannot be opened as a zarr folder. Found: {error}. "
            "Give a folder written by AnnData.write_zarr or `sctabnet prepare`."
        ) from error
    return group_source(
        group, str(path), layer=layer, entries=zarr_entries, reopen=lambda: nullcontext(group)
    )
