"""Which kinds of input a model takes, given what it was trained on."""

from __future__ import annotations

from typing import Literal

from sctabnet.data.corpus import Corpus


def accepted_input(corpus: Corpus) -> Literal["counts", "any"]:
    """Return ``"counts"`` for a model trained on counts, else ``"any"``.

    Counts say more than log1p values: a model that learned from log1p values can take counts,
    which are normalised the same way. The reverse is refused, because log1p values given to a
    model of counts are most often a mistake (a wrong layer).
    """
    return "any" if bool(corpus.is_log1p.any()) else "counts"
