"""How much each expressed gene of a cell speaks for a label."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.model.network import Network, Prediction
from sctabnet.nn.normalise import normalise


def contributions(
    network: Network, minibatch: Minibatch, targets: Tensor | None = None
) -> tuple[Tensor, Tensor, Prediction]:
    r"""Return x times the gradient of each cell's contrast for a label, for every listed gene.

    The contrast of label t is its logit less the mean of the others; the gradient runs through
    the whole model: the wide path, every mask and the embedding. For the wide path alone the
    contributions of a cell sum exactly to its contrast over that of an empty cell
    (gradient times input, Shrikumar et al. 2016, arXiv 1605.01713).

    Parameters
    ----------
    network
        In evaluation mode. With a label head, else the embedding's sum takes the contrast's place.
    minibatch
        n cells with nnz listed genes.
    targets
        int64 (n,) label of each cell; None or -1 takes the predicted label.

    Returns
    -------
    Contributions (nnz,), values x (nnz,) as log1p of counts per 10,000, and the prediction.
    """
    x = normalise(minibatch).detach().requires_grad_(True)
    with torch.enable_grad():
        prediction = network(minibatch, x=x)
        if prediction.logits is None:
            contrast = prediction.encoded.embedding.sum()
        else:
            logits = prediction.logits
            predicted = logits.argmax(1)
            chosen = predicted if targets is None else torch.where(targets < 0, predicted, targets)
            own = logits.gather(1, chosen[:, None]).squeeze(1)
            n_others = max(logits.shape[1] - 1, 1)
            contrast = (own - (logits.sum(1) - own) / n_others).sum()
        (gradient,) = torch.autograd.grad(contrast, x)
    return (x * gradient).detach(), x.detach(), prediction
