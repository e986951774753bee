"""The loss of labels: cross-entropy, by class weights and by how hard a cell is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def label_loss(
    logits_nc: Tensor,
    labels_n: Tensor,
    weights_n: Tensor,
    *,
    class_weights_c: Tensor | None = None,
    focal_gamma: float = 0.0,
    smoothing: float = 0.0,
) -> Tensor:
    r"""Return the weighted mean of :math:`-(1 - p_y)^\gamma \log p_y` over labelled cells.

    Parameters
    ----------
    logits_nc
        (n, c).
    labels_n
        int64 (n,), -1 for a cell without a label, which does not count.
    weights_n
        (n,) weights of the cells, 0 for padding.
    class_weights_c
        (c,) weights of the labels, or None for equal ones. Weighted cells are averaged by the sum
        of their weights, as torch's cross-entropy does.
    focal_gamma
        How much less a cell counts that is already named well; 0 is cross-entropy.
    smoothing
        Label smoothing.

    Notes
    -----
    Lin et al. (2017), "Focal Loss for Dense Object Detection", equation 4 (arXiv 1708.02002).
    """
    weights_n = weights_n * (labels_n >= 0)
    labels_n = labels_n.clamp_min(0)
    loss_n = F.cross_entropy(logits_nc, labels_n, reduction="none", label_smoothing=smoothing)
    if focal_gamma:
        log_p = torch.log_softmax(logits_nc, 1).gather(1, labels_n[:, None]).squeeze(1)
        # 1 - exp(log p) loses its digits where p is near 1, and its power has no slope at 0
        hardness = -torch.expm1(log_p)
        loss_n = loss_n * hardness.clamp_min(1e-12).pow(focal_gamma)
    if class_weights_c is not None:
        weights_n = weights_n * class_weights_c[labels_n]
    return (loss_n * weights_n).sum() / weights_n.sum().clamp_min(1e-12)
