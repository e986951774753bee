"""Add results to a copy of an h5ad file without reading its matrices."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata
import h5py
from anndata.io import write_elem

from sctabnet import _checks
from sctabnet._atomic import atomic_path
from sctabnet.cli._files import read_h5ad


@contextmanager
def opened_h5ad(path: str) -> Iterator[anndata.AnnData]:
    """Open a checked h5ad file; its cells stay on disk where they are stored by rows."""
    _checks.check_h5ad(path)
    with h5py.File(path) as file:
        by_rows = "X" in file and file["X"].attrs.get("encoding-type") == "csr_matrix"
    adata = read_h5ad(path, backed=by_rows)
    try:
        yield adata
    finally:
        if adata.isbacked:
            adata.file.close()


def add_slots(adata: anndata.AnnData, source: str, out: str | Path, *, prefix: str) -> None:
    """Write a copy of ``source`` with the results that ``adata`` got since it was read from there.

    Everything else is copied byte by byte. The copy appears wholly or not at all.

    Parameters
    ----------
    adata
        Its ``obs`` is written, and what in ``obsm`` and ``uns`` has the prefix in its name.
    source, out
        File that was read, and file to write; they may be the same.
    prefix
        The ``key_added`` of the results.
    """
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        shutil.copyfile(source, temporary)
        with h5py.File(temporary, "r+") as file:
            write_elem(file, "obs", adata.obs)
            for slot, values in (("obsm", adata.obsm), ("uns", adata.uns)):
                group = file.require_group(slot)
                for name in [name for name in values if prefix in name]:
                    write_elem(group, name, values[name])
