"""How the masks behave while they are learned.

Legend: n cells, k listed genes of all cells, s decision steps.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from sctabnet.nn.gene_encoder import EncoderOutput
from sctabnet.ops import segment_sum


@torch.no_grad()
def mask_dynamics(encoded: EncoderOutput, weights_n: Tensor) -> dict[str, float]:
    r"""Return support, entropy and overlap of the masks, means over the cells that count.

    Parameters
    ----------
    encoded
        What the encoder gave.
    weights_n
        (n,), 0 for padding cells.

    Returns
    -------
    ``mask_support``, genes with attention per cell and step; ``mask_entropy`` in nats;
    ``mask_overlap``, :math:`\sum_i \min(m^s_i, m^t_i)` over pairs of steps (1 where two steps look
    alike, 0 where they share no gene; left out for a single step).
    """
    counted = (weights_n > 0).to(encoded.masks[0])
    total = counted.sum().clamp_min(1)

    def mean(of_genes: Tensor) -> float:
        return float((segment_sum(of_genes, encoded.offsets) * counted).sum() / total)

    masks = encoded.masks
    support = [mean((mask > 0).to(mask)) for mask in masks]
    overlap = [mean(torch.minimum(a, b)) for a, b in combinations(masks, 2)]
    found = {
        "mask_support": sum(support) / len(support),
        "mask_entropy": float(encoded.sparsity),
    }
    return found | {"mask_overlap": sum(overlap) / len(overlap)} if overlap else found
