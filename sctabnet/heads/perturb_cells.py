from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

from sctabnet.nn.keyed_uniform import keyed_uniform

Array = NDArray[np.float64]


def perturb_cells(
    x_ng: NDArray[np.float32],
    names_n: list[str],
    genes_g: NDArray[np.int64],
    control_g: Array,
    detected_g: Array,
    delta_g: Array,
    *,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Carry control cells over to a perturbed mean.

    A gene's mean changes by cells that begin or cease to express it and by how much the expressing
    ones do, in the proportion that Poisson sampling gives: with detected share q and a rate that
    changes by the factor r, the share becomes 1 - (1 - q)^r. A cell's result depends on its own
    values, its name and the gene's effect, not on the other cells. Genes without an effect keep
    their values, bit for bit.

    Parameters
    ----------
    x_ng
        float32 (n, g), log1p values of control cells.
    names_n, genes_g
        Names of the cells and int64 numbers of the genes, which key the random draws.
    control_g, detected_g
        Mean of the control cells, and share of them that expresses the gene.
    delta_g
        Predicted effect; control plus effect must not be negative.
    seed
        Seed of the draws.

    Returns
    -------
    float32 (n, g), with mean ``control_g + delta_g`` in expectation for cells as the controls.
    """
    # far below what a pseudobulk can tell, an effect is no effect
    moved = np.flatnonzero(np.abs(delta_g) > 1e-8)
    out = x_ng.copy()
    if not len(moved):
        return out
    q = np.clip(detected_g[moved], 1e-4, 1 - 1e-6)
    before = np.maximum(control_g[moved], 1e-6)
    after = np.maximum(control_g[moved] + delta_g[moved], 0.0)
    ratio = np.expm1(after) / np.expm1(before)
    share = np.clip(1 - (1 - q) ** ratio, 1e-12, 1 - 1e-6)
    # a silent gene's expressing cells must carry the whole mean, but not absurdly much each
    share = np.maximum(share, np.minimum(after / 3.0, 1 - 1e-6))
    level = after / share
    scale = level / (before / q)
    keys = torch.tensor([crc32(name.encode()) for name in names_n])[:, None]
    u = keyed_uniform(seed, keys, torch.from_numpy(genes_g[moved])[None, :]).numpy()
    x = x_ng[:, moved]
    stays = np.where(share < q, u < share / q, True)
    begins = u < np.where(share > q, (share - q) / (1 - q), 0.0)
    out[:, moved] = np.where(x > 0, np.where(stays, x * scale, 0.0), np.where(begins, level, 0.0))
    return out
