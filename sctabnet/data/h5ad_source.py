from __future__ import annotations

from pathlib import Path

import anndata as ad

from sctabnet.data.anndata_source import anndata_source
from sctabnet.data.csr_source import CsrSource


def h5ad_source(path: str | Path, *, layer: str | None = None) -> CsrSource:
    """Open an ``.h5ad`` file as a source of cells."""
    return anndata_source(ad.read_h5ad(path), layer=layer, name=str(path))
