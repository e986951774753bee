"""A model in one line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sctabnet.model.training_line import training_line

if TYPE_CHECKING:
    from sctabnet.model.model import Model

_SHOWN = 5


def model_line(model: Model) -> str:
    """Return genes, labels, covariates, last training run and digest of the weights.

    Parameters
    ----------
    model
        The model to show.
    """
    more = ", ..." if len(model.labels) > _SHOWN else ""
    names = f" ({', '.join(model.labels[:_SHOWN])}{more})" if model.labels else ""
    covariates = {key: len(levels) for key, levels in model.covariates.items()}
    parameters = sum(p.numel() for p in model.network.parameters())
    trained = f"trained for {training_line(model.history[-1])}" if model.history else "not trained"
    return (
        f"Model with {len(model.vocabulary):,} genes, {len(model.labels)} labels{names}, "
        f"covariates {covariates or 'none'}, {parameters:,} parameters, "
        f"takes {model.config.accepts}, {trained}, digest {model.digest()[:12]}"
    )
