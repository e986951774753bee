from __future__ import annotations

from dataclasses import dataclass, field

TASKS = ("seen", "single", "combination", "context")
SUPPORTS = ("seen", "partly seen", "by embedding", "mean fallback")


@dataclass(kw_only=True)
class PerturbChoices:
    """What inner validation decided; JSON types."""

    shares: dict[str, float]
    """Variances of the mixed model."""
    rule: dict[str, str]
    """Best closed-form baseline for each task."""
    gate: dict[str, float]
    """How far to go from the baseline (0) to the mixed model (1), for each task."""
    keep_total: dict[str, bool]
    """Whether the mixed model keeps totals, for each task."""
    quantile: dict[str, float]
    """Conformal quantile of scaled residuals, for each task."""
    better_than_mean: dict[str, bool]
    """For each support."""
    coverage: float = 0.9
    """Coverage of the intervals."""
    residual: dict[str, float] = field(default_factory=dict)
    """How much of the residual network's correction is added, for each task."""
