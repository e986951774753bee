from __future__ import annotations

import os
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from sctabnet import _checks


@pytest.fixture
def adata(rng) -> ad.AnnData:
    return ad.AnnData(sp.csr_matrix(rng.poisson(0.8, (30, 60)).astype(np.float32)))


def test_h5ad(adata, tmp_path):
    path = tmp_path / "a.h5ad"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        _checks.check_h5ad(path)
    adata.write_h5ad(path)
    _checks.check_h5ad(path)
    data = path.read_bytes()
    for share in (0.01, 0.1, 0.5, 0.99):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ValueError, match="damaged, truncated or of another format"):
            _checks.check_h5ad(path)
    path.write_bytes(data[:-8])
    with pytest.raises(ValueError, match="truncated"):
        _checks.check_h5ad(path)
    path.write_text("cell,gene\n")
    with pytest.raises(ValueError, match="another format"):
        _checks.check_h5ad(path)
    with pytest.raises(ValueError, match="is a folder"):
        _checks.check_h5ad(tmp_path)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["obs"] = 1
    with pytest.raises(ValueError, match="no h5ad file. Found no var"):
        _checks.check_h5ad(tmp_path / "b.h5")


def test_writable(tmp_path, monkeypatch):
    _checks.check_writable(tmp_path / "a" / "b" / "c.h5ad")
    assert list(tmp_path.iterdir()) == []
    if Path("/proc/self").exists():
        with pytest.raises(ValueError, match="cannot be written"):
            _checks.check_writable("/proc/self/sctabnet.h5ad")


def test_not_there(tmp_path):
    _checks.check_not_there(tmp_path / "a", overwrite=False)
    os.symlink("nowhere", tmp_path / "a")  # noqa: PTH211
    with pytest.raises(ValueError, match="exists already"):
        _checks.check_not_there(tmp_path / "a", overwrite=False)
    _checks.check_not_there(tmp_path / "a", overwrite=True)
