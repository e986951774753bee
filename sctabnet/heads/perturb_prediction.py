from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PerturbPrediction:
    """Predicted effects of q conditions on g genes.

    Parameters
    ----------
    delta_qg
        Predicted minus control, log1p.
    half_width_qg
        Half of the conformal interval at the head's coverage.
    uncertainty_q
        Standard deviation of the effect that the mixed model expects, root mean square over genes.
    support
        One of :data:`~sctabnet.heads.perturb_choices.SUPPORTS` per query.
    n_parts_seen
        Entities of the condition that were measured, alone or in combinations.
    better_than_mean
        Whether conditions of this support were predicted better than by the mean effect when they
        were left out.
    attention_qg
        Share of each gene in what the residual network looks at: the genes that carry the
        predicted response. Rows sum to 1; the control's are zero.
    """

    delta_qg: Array
    half_width_qg: Array
    uncertainty_q: Array
    support: tuple[str, ...]
    n_parts_seen: tuple[int, ...]
    better_than_mean: NDArray[np.bool_]
    attention_qg: Array
