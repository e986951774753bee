from __future__ import annotations

from pathlib import Path

import h5py

from sctabnet import _checks
from sctabnet._errors import InputError
from sctabnet.data.csr_source import CsrSource
from sctabnet.data.group_source import group_source
from sctabnet.data.h5_entries import h5_entries


def h5ad_source(path: str | Path, *, layer: str | None = None) -> CsrSource:
    """Open an ``.h5ad`` file as a source of cells; nothing but names is read.

    Parameters
    ----------
    path
        The file. Its matrix must be CSR.
    layer
        None for ``X``, ``"raw"`` for ``raw.X``, otherwise a layer's name.

    Raises
    ------
    ValueError
        If it is no h5ad file, is truncated, points at other files, or its matrix is not CSR.
    KeyError
        If the layer does not exist.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path} cannot be opened as an h5ad file. Found: {error}. "
            "It may be truncated, or no HDF5 file at all: fetch it again."
        ) from error
    with file:  # and close it: an open file could not be written to by its owner
        _checks.check_no_links(file, path)
        try:
            return group_source(
                file,
                str(path),
                layer=layer,
                entries=lambda array: h5_entries(array, str(path)),
                reopen=lambda: h5py.File(path, "r"),
            )
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: it is damaged or compressed in a way that HDF5 does not "
                f"know by itself. Found: {error}. In the second case `import hdf5plugin` first."
            ) from error
