from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sctabnet.data.cell_table import CellTable
from sctabnet.data.gathered_rows import GatheredRows
from sctabnet.data.minibatch import Minibatch


def to_minibatch(
    gathered: GatheredRows, table: CellTable, measured: Tensor, is_log1p: Tensor
) -> Minibatch:
    """Join expression and what else is known of the cells; a row of -1 becomes padding.

    The tensors share the memory of the arrays.
    """
    values, indices, offsets, rows = gathered
    is_cell = rows >= 0
    labels = np.where(is_cell, table.label_codes(rows), -1)
    covariates = np.where(is_cell[:, None], table.covariate_codes(rows), 0)
    sources = np.where(is_cell, table.data_set_codes(rows), 0)
    return Minibatch(
        values=torch.from_numpy(values),
        indices=torch.from_numpy(indices),
        offsets=torch.from_numpy(offsets),
        labels=torch.from_numpy(labels),
        covariates=torch.from_numpy(covariates),
        weights=torch.from_numpy(is_cell.astype(np.float32)),
        row_ids=torch.from_numpy(rows),
        source_ids=torch.from_numpy(sources),
        measured=measured,
        is_log1p=is_log1p,
    )
