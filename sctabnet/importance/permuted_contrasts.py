"""Exact permutation importance: one gene at a time, every cell that it changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from sctabnet.data.minibatch import Minibatch
from sctabnet.heads.label_contrast import label_contrast
from sctabnet.importance.list_cells import list_cells
from sctabnet.importance.matrix_of import matrix_of
from sctabnet.model.model import Model
from sctabnet.train.partners import partners

_AT_ONCE = 2048


@torch.no_grad()
def permuted_contrasts(
    model: Model,
    cells: Minibatch,
    targets: NDArray[np.int64],
    strata: NDArray[np.int64],
    *,
    random_state: int = 0,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (loss of contrast, gene, cell) for every gene and every cell that it changes.

    The value of one gene is replaced by that of the cell's partner in its stratum, all else stays,
    and the network is asked again. Pairs whose two values are equal change nothing and are not
    listed. Takes as many passes of a cell as two cells show genes: for some hundred cells.

    Parameters
    ----------
    model
        With a label head.
    cells
        n cells on the CPU.
    targets
        int64 (n,) label whose contrast is watched.
    strata
        int64 (n,) experimental batch within which values are exchanged.
    random_state
        Seed of the pairing.
    """
    network = model.network.eval()
    device = next(network.parameters()).device
    x = matrix_of(cells)
    other = sp.csr_array(x[partners(strata, random_state=random_state)])
    change = sp.coo_array(other - x)
    changed = change.data != 0
    rows, genes = change.coords[0][changed].astype(np.int64), change.coords[1][changed]
    values = change.data[changed]
    wanted = torch.from_numpy(targets).to(device)

    def contrasts(matrix: sp.csr_array, of: NDArray[np.int64]) -> torch.Tensor:
        listed, new = list_cells(matrix, cells, of)
        logits = network(listed.to(device), x=new.to(device)).logits
        assert logits is not None, "permutation importance watches the contrast of a label"
        return label_contrast(logits, wanted[torch.from_numpy(of).to(device)])

    whole = contrasts(x, np.arange(len(cells))).cpu().numpy()
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        of, gene = rows[part], genes[part].astype(np.int64)
        step = sp.csr_array((values[part], (np.arange(len(of)), gene)), (len(of), x.shape[1]))
        moved = sp.csr_array(x[of] + step)
        moved.data[np.abs(moved.data) < 1e-9] = 0  # x + (0 - x) may leave a rounding error
        yield whole[of] - contrasts(moved, of).cpu().numpy(), gene, of
