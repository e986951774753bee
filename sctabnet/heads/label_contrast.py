"""How much more is said for one label than for the others."""

from __future__ import annotations

from torch import Tensor


def label_contrast(logits_nc: Tensor, labels_n: Tensor) -> Tensor:
    """Return (n,) the logit of each cell's label less the mean of its other logits.

    Unlike a loss or a probability it does not saturate: what speaks for a label that is certain
    already still counts.

    Parameters
    ----------
    logits_nc
        (n, c) logits.
    labels_n
        int64 (n,) label of each cell.
    """
    own = logits_nc.gather(1, labels_n[:, None]).squeeze(1)
    n_others = max(logits_nc.shape[1] - 1, 1)
    return own - (logits_nc.sum(1) - own) / n_others
