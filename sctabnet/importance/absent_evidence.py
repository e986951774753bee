"""What a gene says for a label by not being expressed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sctabnet.model.model import Model


@torch.no_grad()
def absent_evidence(model: Model, measured_g: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    r"""Return (c, g) the contribution of a measured gene that a cell does not express.

    A gene of value 0 is in no cell's list, but the wide path hears its absence: against its mean
    :math:`\mu_g` it changes the contrast of label t by :math:`-\mu_g (w_{gt} - \bar w_{g, -t})`.
    With it the mean contribution over cells is :math:`(\bar x_g - \mu_g)` times that weight, so
    that a gene which most other cells express too gets no credit for being expressed here.

    Parameters
    ----------
    model
        With or without a wide path; None is returned where it has none.
    measured_g
        bool (g,), genes that the cells' panels hold; the others say nothing.
    """
    head = model.network.labels
    if head is None or not head.config.wide:
        return None
    panel = torch.from_numpy(measured_g[None]).to(head.bias.device)
    weight = head.wide_weights(panel)[0].double().cpu().numpy()
    mean = model.network.encoder.mean.double().cpu().numpy() * measured_g
    n_labels = weight.shape[1]
    others = (weight.sum(1, keepdims=True) - weight) / max(n_labels - 1, 1)
    return np.ascontiguousarray(-(mean[:, None] * (weight - others)).T)
