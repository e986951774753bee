"""Numbers against truth."""

from sctabnet.evaluate.importances import importances
from sctabnet.evaluate.integration import integration
from sctabnet.evaluate.labels import labels
from sctabnet.evaluate.perturbation import perturbation

__all__ = ["importances", "integration", "labels", "perturbation"]


def __dir__() -> list[str]:
    return sorted(__all__)
