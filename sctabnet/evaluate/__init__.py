"""Numbers against truth."""

from sctabnet.evaluate.labels import labels

__all__ = ["labels"]
