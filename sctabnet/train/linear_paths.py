"""How genes that a cell does not list would enter the network: through its linear paths."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.model.network import Network


def linear_paths(network: Network, *, wide: bool) -> Tensor:
    r"""Return (g, d + c) what one unit of each gene adds to the network's linear sums.

    A gene enters the network in three places: the sum that the first attention state is made of,
    the masks, and the wide path. A gene that is not listed has no mask, but it would enter the
    other two linearly. With :math:`u_n` the gradient of a scalar with respect to the cell's
    (first sum, wide logits), the derivative with respect to a silent gene g is
    :math:`\langle u_n, \text{row}_g \rangle`.

    Parameters
    ----------
    network
        With an encoder and, if ``wide``, a label head.
    wide
        Whether the wide path counts; without it the table has d columns.
    """
    encoder = network.encoder
    table = encoder.embeddings()[:-1] / encoder.std[:, None]
    if wide:
        assert network.labels is not None, "only a label head has a wide path"
        table = torch.cat([table, network.labels.wide()[:-1]], 1)
    return table.detach()
