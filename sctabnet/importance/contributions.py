"""How much each expressed gene of a cell speaks for a label."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sctabnet.data.minibatch import Minibatch
from sctabnet.heads.label_contrast import label_contrast
from sctabnet.model.network import Network, Prediction
from sctabnet.nn.normalise import normalise


def contributions(
    network: Network, minibatch: Minibatch, targets: Tensor | None = None, *, n_steps: int = 1
) -> tuple[Tensor, Tensor, Prediction]:
    r"""Return what every listed gene adds to a cell's contrast for a label, over its mean value.

    .. math:: c_i = (x_i - \mu_{g_i}) \, \partial_i f(x)

    where f is the contrast of the label (its logit less the mean of the others), :math:`\mu` the
    mean of the gene over the training cells, and the derivative runs through the wide path and
    through the values that the masks let pass; the masks themselves are held, as what they are is
    attention and what they pass is evidence. For the wide path this is exactly what would be lost
    if the gene had its mean value.

    With ``n_steps`` above 1 the masks are not held and the derivative is averaged along the way
    from the means to the cell (integrated gradients, Sundararajan et al. 2017, arXiv 1703.01365):
    the contributions of a cell then sum to the difference of the contrast between the two.

    Parameters
    ----------
    network
        In evaluation mode. With a label head, else the embedding's sum takes the contrast's place.
    minibatch
        n cells with nnz listed genes.
    targets
        int64 (n,) label of each cell; None or -1 takes the predicted label.
    n_steps
        Points along the way; 1 takes the derivative at the cell itself.

    Returns
    -------
    Contributions (nnz,), values x (nnz,) as log1p of counts per 10,000, and the prediction.
    """
    x = normalise(minibatch).detach()
    mean = network.encoder.mean[minibatch.indices]
    head = network.labels
    if head is not None and head.config.wide and (not head.config.deep or not bool(head.gate)):
        # the TabNet term is shut out: the answer is linear in the values
        with torch.no_grad():
            prediction = network(minibatch, x=x)
            assert prediction.logits is not None, "a label head gives logits"
            chosen = _labels(prediction.logits, targets)
            slope_nc = torch.full_like(prediction.logits, -1 / max(head.bias.numel() - 1, 1))
            slope_nc.scatter_(1, chosen[:, None], 1.0)
            sources, where = torch.unique(minibatch.source_ids, return_inverse=True)
            panel = minibatch.measured[sources]
            indices, offsets = minibatch.indices, minibatch.offsets
            gradient = head.wide_slopes(slope_nc, indices, offsets, panel, where)
            heard = head.missing.rescale(x, offsets, panel, where)
        return (heard - mean) * gradient, x, prediction
    if n_steps == 1:
        value, prediction = _gradient(network, minibatch, x, targets, hold_masks=True)
        return (x - mean) * value, x, prediction
    with torch.no_grad():
        prediction = network(minibatch, x=x)
    if prediction.logits is not None:
        targets = _labels(prediction.logits, targets)
    value = torch.zeros_like(x)
    for step in range(n_steps):
        point = torch.lerp(mean, x, (step + 0.5) / n_steps)
        value += _gradient(network, minibatch, point, targets, hold_masks=False)[0] / n_steps
    return (x - mean) * value, x, prediction


def _gradient(
    network: Network, minibatch: Minibatch, x: Tensor, targets: Tensor | None, *, hold_masks: bool
) -> tuple[Tensor, Prediction]:
    """Return the derivative (nnz,) of the cells' contrasts at ``x``, and the prediction there."""
    x = x.detach().requires_grad_(True)
    with torch.enable_grad(), _held(network):
        prediction = network(minibatch, x=x, hold_masks=hold_masks)
        if prediction.logits is None:
            contrast = prediction.encoded.embedding.sum()
        else:
            chosen = _labels(prediction.logits, targets)
            contrast = label_contrast(prediction.logits, chosen).sum()
        (gradient,) = torch.autograd.grad(contrast, x)
    return gradient, prediction


@contextmanager
def _held(network: Network) -> Iterator[None]:
    """Ask for no gradients of parameters: the gene table's costs as much as the values'."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _labels(logits_nc: Tensor, targets: Tensor | None) -> Tensor:
    predicted = logits_nc.argmax(1)
    return predicted if targets is None else torch.where(targets < 0, predicted, targets)
