"""Held-out reference cells, kept so that confidences can be judged against them later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the model said about reference cells that it was not trained on.

    Temperature, unknown threshold and conformal quantiles are all functions of these arrays,
    so any coverage can be asked for after training.

    Parameters
    ----------
    logits
        float32 (m, c), before temperature.
    labels
        int64 (m,), true label codes.
    distances
        float32 (m, k), distances to the nearest type as of
        :class:`~sctabnet.model.type_distance.TypeDistance` ((m,) in models of earlier versions);
        NaN for cells that the types were learned from. None for a model without distances.
    """

    logits: Tensor
    labels: Tensor
    distances: Tensor | None = None

    def probability(self, log_temperature: float) -> np.ndarray:
        """Return calibrated probabilities (m, c), float64."""
        scaled = self.logits.double() / np.exp(log_temperature)
        return torch.softmax(scaled, 1).numpy()
