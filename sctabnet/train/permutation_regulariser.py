"""Align the masks with what permuting a gene's values does to the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.nn.gene_encoder import GeneEncoder
from sctabnet.ops import row_index
from sctabnet.train.gene_totals import gene_totals
from sctabnet.train.linear_paths import linear_paths
from sctabnet.train.mask_regulariser import MaskRegulariser, TrainingStep
from sctabnet.train.permutation_importance import permutation_importance

DECAY = 0.95
WARM_UP = 0.1
UNIFORM = 0.1


class PermutationRegulariser(MaskRegulariser):
    r"""Permutation importance with a moving average, an aligning term, and a mask prior.

    Every ``every`` steps the first-order importance of all genes is computed and enters an
    exponential moving average in the encoder's buffer ``importance`` (summed over processes before
    it is normalised). After a tenth of the steps the average, its negative part cut off and mixed
    with a tenth of a uniform share, is the target t of the term
    :math:`\lambda\, KL(t \,\|\, \bar m)` for the minibatch's mean mask :math:`\bar m`.

    A gene without attention has no gradient of its mask, so the term cannot bring it back; the
    prior can: :math:`\beta \log (t_g / \bar t)` is added to the mask's logits.

    Parameters
    ----------
    weight
        :math:`\lambda`; 0 for the prior alone.
    prior
        :math:`\beta`; 0 for none.
    every
        Steps between estimates.
    """

    def __init__(self, *, weight: float, prior: float, every: int) -> None:
        self.weight, self.prior, self.every = weight, prior, every

    def needs_gradient(self, step: int) -> bool:
        """Return whether this step makes an estimate."""
        return step % self.every == 0

    def __call__(self, step: TrainingStep) -> Tensor | None:
        """Return the aligning term; update the average and the prior where it is their turn."""
        encoder = step.network.encoder
        if self.needs_gradient(step.step):
            self._update(step)
            if self.prior and step.step >= WARM_UP * step.total_steps:
                target = self._target(encoder)
                encoder.log_prior.copy_(self.prior * torch.log(target * len(target)))
        if step.step < WARM_UP * step.total_steps or not self.weight:
            return None
        tokens = step.prediction.tokens
        mask = step.prediction.encoded.aggregate_mask(tokens.offsets)
        mask = mask * (step.minibatch.weights > 0)[row_index(tokens.offsets)]
        mass = gene_totals(mask, tokens.indices, len(encoder.importance) + 1)[:-1]
        share = mass / mass.sum().clamp_min(1e-12)
        target = self._target(encoder)
        return self.weight * (target * (torch.log(target) - torch.log(share + 1e-6))).sum()

    @staticmethod
    def _target(encoder: GeneEncoder) -> Tensor:
        average = encoder.importance.clamp_min(0)
        share = average / average.sum().clamp_min(1e-12)
        return (1 - UNIFORM) * share + UNIFORM / len(share)

    def _update(self, step: TrainingStep) -> None:
        encoded, tokens = step.prediction.encoded, step.prediction.tokens
        inputs = [step.x, encoded.whole] + ([] if step.wide is None else [step.wide])
        found = torch.autograd.grad(step.loss, inputs, retain_graph=True)
        gradient = torch.zeros_like(tokens.x)
        listed = tokens.indices < len(step.network.encoder.mean)
        gradient[listed] = found[0]
        u = torch.cat(found[1:], 1)
        if step.wide is not None:
            assert step.network.labels is not None, "a wide path belongs to a label head"
            rows = row_index(tokens.offsets)[listed]
            wide = step.network.labels.wide().detach()[tokens.indices[listed]]
            gradient[listed] += (wide * found[2][rows]).sum(1)
        covariates = step.minibatch.covariates
        strata = covariates[:, 0] if covariates.shape[1] else torch.zeros_like(tokens.source_ids)
        estimate = permutation_importance(
            tokens,
            gradient,
            u,
            linear_paths(step.network, wide=step.wide is not None),
            strata,
            step.minibatch.weights,
        )
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(estimate)
        estimate = estimate / estimate.clamp_min(0).sum().clamp_min(1e-12)
        importance = step.network.encoder.importance
        importance.mul_(DECAY).add_((1 - DECAY) * estimate)
