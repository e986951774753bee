"""Read and write h5ad files for the verbs, so that bad input never costs a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anndata

from sctabnet import _checks
from sctabnet._atomic import atomic_path
from sctabnet._errors import InputError, ValueKindError


def read_h5ad(path: str, *, backed: bool = False) -> anndata.AnnData:
    """Return the AnnData of a file that was checked to be a whole h5ad file."""
    _checks.check_h5ad(path)
    try:
        return anndata.read_h5ad(path, backed="r" if backed else None)
    except Exception as error:  # whatever a damaged file makes its readers say
        raise InputError(
            f"{path} cannot be read as h5ad. Found: {error}. Fetch or write it again."
        ) from error


def write_h5ad(adata: anndata.AnnData, path: str | Path) -> None:
    """Write a file wholly or not at all; the old file stays until the new one is complete."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        adata.write_h5ad(temporary)


@contextmanager
def naming_matrices(data: Sequence[str]) -> Iterator[None]:
    """Add to the error about values in a file which of its matrices look right."""
    try:
        yield
    except ValueKindError as error:
        if len(data) > 1 or not Path(data[0]).is_file():
            raise
        backed = anndata.read_h5ad(data[0], backed="r")
        try:
            raise _checks.with_matrices_that_look_right(error, backed) from None
        finally:
            backed.file.close()
