"""Ask for the same attention when genes are missing and counts are thinned."""

from __future__ import annotations

from torch import Tensor

from sctabnet.nn.augment import augment
from sctabnet.train.first_cells import first_cells
from sctabnet.train.mask_regulariser import MaskRegulariser, TrainingStep
from sctabnet.train.panel_consistency import panel_consistency

_OTHER_VIEW = 0x5EED  # the second view's draws must not be those of the first


class ConsistencyRegulariser(MaskRegulariser):
    """Divergence between the masks of two augmented views of some of the minibatch's cells.

    Any of several redundant markers may be missing from a view, so attention that agrees between
    views cannot rest on an accidental choice among them.

    Parameters
    ----------
    weight
        Weight of the mean Jensen-Shannon divergence.
    share
        Share of the minibatch's cells that get a second view.
    panel_dropout, thinning
        See :func:`~sctabnet.nn.augment.augment`.
    """

    name = "consistency"

    def __init__(
        self, *, weight: float, share: float, panel_dropout: float, thinning: float
    ) -> None:
        self.weight, self.share = weight, share
        self.panel_dropout, self.thinning = panel_dropout, thinning

    def __call__(self, step: TrainingStep) -> Tensor:
        """Return the weighted mean divergence over the cells with a second view."""
        n = max(2, round(self.share * len(step.original)))
        view = augment(
            first_cells(step.original, n),
            step.network.gene_keys,
            panel_dropout=self.panel_dropout,
            thinning=self.thinning,
            seed=step.seed ^ _OTHER_VIEW,
            epoch=step.epoch,
        )
        other = step.network(view, epoch=step.epoch)
        mine = step.prediction
        divergence = panel_consistency(
            other.tokens,
            other.encoded.aggregate_mask(other.tokens.offsets),
            mine.tokens,
            mine.encoded.aggregate_mask(mine.tokens.offsets),
        )
        weights = (view.weights > 0).to(divergence)
        return self.weight * (divergence * weights).sum() / weights.sum().clamp_min(1)
