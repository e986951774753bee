from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from sctabnet._value_kind import detect_value_kind
from sctabnet.datasets import pbmc68k


def test_raw_is_ready_to_use_and_x_is_not():
    adata = pbmc68k()
    assert sp.issparse(adata.raw.X) and adata.raw.X.dtype == np.float32
    assert adata.raw.X.has_canonical_format and adata.raw.shape == (700, 765)
    assert adata.raw.var_names.is_unique
    assert detect_value_kind(adata.raw.X) == "log1p"
    with pytest.raises(ValueError, match="negative"):
        detect_value_kind(sp.csr_matrix(adata.X))


def test_labels_and_independent_copies():
    adata = pbmc68k()
    assert adata.obs["bulk_labels"].dtype == "category"
    assert adata.obs["bulk_labels"].nunique() == 10
    adata.raw.X.data[:] = 0
    assert pbmc68k().raw.X.data.any()
