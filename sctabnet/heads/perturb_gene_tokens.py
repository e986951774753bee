"""Vectors of the genes that a screen measures, in which responses are described.

Legend of suffixes: p measured conditions, g genes, d width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sctabnet.heads.perturb_table import PerturbTable

Array = NDArray[np.float64]
_RESPONSES, _PRETRAINED = 8, 8


def perturb_gene_tokens(table: PerturbTable) -> Array:
    """Return (g, d): a constant, how genes answer together, and what pretraining knows of them.

    The responses are the leading right singular vectors of the measured effects; the pretrained
    part are the leading components of the first source of embeddings that knows most of the genes.
    Columns have mean square 1, or are zero where there is nothing to fill them with.
    """
    n_genes = len(table.gene_ids)
    scale_g = np.sqrt((table.delta_pg**2).mean(axis=0)) + 1e-12
    columns = [np.ones((n_genes, 1)), _leading(table.delta_pg / scale_g.mean(), _RESPONSES)]
    for source in table.embeddings:
        place = {name: i for i, name in enumerate(source.names)}
        rows = np.array([place.get(gene, -1) for gene in table.gene_ids])
        if (rows >= 0).mean() > 0.5:
            vectors = np.where(rows[:, None] >= 0, source.vectors[rows], 0.0)
            columns.append(_leading(vectors.T, _PRETRAINED))
            break
    else:
        columns.append(np.zeros((n_genes, _PRETRAINED)))
    tokens = np.concatenate(columns, axis=1)
    size = np.sqrt((tokens**2).mean(axis=0))
    return tokens / np.where(size > 1e-9, size, 1.0)


def _leading(rows_pg: Array, n: int) -> Array:
    """Return the n leading right singular vectors (g, n), zeros where there are fewer."""
    out = np.zeros((rows_pg.shape[1], n))
    value, left = np.linalg.eigh(rows_pg @ rows_pg.T)
    order = np.argsort(-value)[:n]
    order = order[value[order] > 1e-9 * max(value.max(), 1e-12)]
    vectors = rows_pg.T @ left[:, order]
    # the sign of a singular vector is arbitrary: the largest entry shall be positive
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    out[:, : len(order)] = vectors * signs / np.maximum(np.linalg.norm(vectors, axis=0), 1e-12)
    return out
