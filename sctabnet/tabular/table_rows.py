"""Rows of a table, encoded as they are asked for."""

from __future__ import annotations

from typing import Any

import torch
from scipy import sparse
from torch import Tensor

from sctabnet.tabular.table_encoder import TableEncoder


class TableRows:
    """Encoded rows: a dense table is encoded once, a sparse one row by row as it is read.

    Parameters
    ----------
    X
        Data frame, array or CSR matrix ``(n, g)``.
    encoder
        Fitted encoder.
    device
        Where the rows are wanted.
    """

    def __init__(self, X: Any, encoder: TableEncoder, device: torch.device) -> None:
        self._encoder = encoder
        self._device = device
        self._sparse = X.tocsr() if sparse.issparse(X) else None
        self._n = X.shape[0]
        self._dense = (
            torch.from_numpy(encoder.transform(X)).to(device) if self._sparse is None else None
        )

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Return float32 ``(rows, encoded columns)``."""
        if self._dense is not None:
            return self._dense[rows]
        assert self._sparse is not None
        chosen = rows if isinstance(rows, slice) else rows.cpu().numpy()
        encoded = self._encoder.transform(self._sparse[chosen])
        return torch.from_numpy(encoded).to(self._device)
