"""How far two views of the same cells attend to different genes."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.nn.tokens import Tokens
from sctabnet.ops import row_index, segment_sum


def panel_consistency(first: Tokens, mask_k: Tensor, second: Tokens, other_k: Tensor) -> Tensor:
    r"""Return (n,) the Jensen-Shannon divergence of two masks on the genes both views show.

    Both masks are restricted to the shared genes and made to sum to 1 there. For softmax the mask
    of a panel *is* the full mask restricted and rescaled (Luce's axiom), for entmax nearly so;
    what is left to learn is that the logits should not depend on the panel either.

    Parameters
    ----------
    first, second
        Lists of the same n cells in the same order.
    mask_k, other_k
        (k,) aggregate masks of the two views.

    Returns
    -------
    float (n,), in nats; 0 where the two share no gene with attention.
    """
    n_genes = first.panel.shape[1]
    keys = [row_index(t.offsets) * (n_genes + 1) + t.indices for t in (first, second)]
    place = torch.searchsorted(keys[1], keys[0]).clamp_max(max(len(keys[1]) - 1, 0))
    shared = (keys[1][place] == keys[0]) & (first.indices < n_genes)
    rows = row_index(first.offsets)[shared]
    lengths = torch.bincount(rows, minlength=len(first))
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    p, q = mask_k[shared], other_k[place[shared]]
    total_p, total_q = segment_sum(p, offsets), segment_sum(q, offsets)
    p = p / total_p.clamp_min(1e-6)[rows]
    q = q / total_q.clamp_min(1e-6)[rows]
    middle = ((p + q) / 2).clamp_min(1e-12)
    # x log x has no finite slope at 0, where a sparse mask lies: both logs are kept off it
    divergence = p * torch.log((p + 1e-12) / middle) + q * torch.log((q + 1e-12) / middle)
    usable = ((total_p > 1e-6) & (total_q > 1e-6)).to(p)
    return segment_sum(divergence, offsets) / 2 * usable
