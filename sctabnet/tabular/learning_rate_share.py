"""The learning rate over the course of a fit."""

from __future__ import annotations

from math import cos, pi

WARM_UP = 0.1


def learning_rate_share(progress: float) -> float:
    """Return the share of the peak learning rate at ``progress`` in [0, 1].

    A linear rise over the first tenth, then half a cosine down to zero.
    """
    if progress < WARM_UP:
        return progress / WARM_UP
    return (1 + cos(pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2
