"""Everything that a model folder's config.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, Self

from sctabnet._errors import InputError
from sctabnet.heads.labels import LabelHead
from sctabnet.heads.perturb import PerturbHead
from sctabnet.heads.reconstruct import ReconstructHead
from sctabnet.nn.gene_encoder import GeneEncoder


@dataclass(kw_only=True)
class ModelConfig:
    """The choices that define a network, beside its vocabulary and labels."""

    encoder: GeneEncoder.Config = field(default_factory=GeneEncoder.Config)
    """Sizes and choices of the encoder."""
    reconstruct: ReconstructHead.Config = field(default_factory=ReconstructHead.Config)
    """Choices of masked pretraining."""
    labels: LabelHead.Config = field(default_factory=LabelHead.Config)
    """Choices of the label head."""
    perturb: PerturbHead.Config = field(default_factory=PerturbHead.Config)
    """Choices of the perturbation head."""
    covariate_dim: int = 16
    """Width of the covariate embedding, where there are covariates."""
    covariate_dropout: float = 0.2
    """Probability with which a covariate is replaced by "unknown" in training."""
    accepts: Literal["counts", "any"] = "counts"
    """Kinds of input that the model takes; set from the training data."""
    seed: int = 0
    """Seed of the initial weights."""
    license: str = "not stated"
    """Licence under which the weights may be used, best as SPDX identifier; for the card."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed must be at least 0 and below 2**32. Found {self.seed}.")
        if self.covariate_dim < 1 or not 0 <= self.covariate_dropout < 1:
            raise InputError(
                "covariate_dim must be at least 1 and covariate_dropout lie in [0, 1). Found "
                f"{self.covariate_dim} and {self.covariate_dropout}. Try 16 and 0.2."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_dict`; an unknown key is an error that names it."""
        return _build(cls, values, "config")


def _build(kind: type, values: Mapping[str, Any], where: str) -> Any:
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        msg = f"{where} has unknown keys {unknown}. Known keys: {sorted(known)}."
        raise ValueError(msg)
    arguments = {}
    for name, value in values.items():
        default: Any = known[name].default_factory
        nested = isinstance(default, type) and is_dataclass(default)
        arguments[name] = _build(default, value, f"{where}.{name}") if nested else value
    return kind(**arguments)
