"""What a training run read, for the model's history and card."""

from __future__ import annotations

from typing import Any

import numpy as np

from sctabnet.data.corpus import Corpus
from sctabnet.data.short_names import short_names


def data_record(corpus: Corpus) -> dict[str, Any]:
    """Return JSON types: digest of the cells, and cells and genes of every data set.

    Folders are left out of names: a model is handed on, and they are nobody else's business.
    """
    n_cells = np.bincount(corpus.source_codes, minlength=len(corpus.source_names))
    n_genes = corpus.measured.sum(1)
    return {
        "data": corpus.fingerprint,
        "sources": [
            {"name": name, "cells": int(cells), "genes": int(genes)}
            for name, cells, genes in zip(
                short_names(corpus.source_names), n_cells, n_genes, strict=True
            )
        ],
    }
