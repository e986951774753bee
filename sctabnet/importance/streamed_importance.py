"""Explain a whole corpus in one pass; only attention, where asked for, is kept for every gene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sctabnet._settings import settings
from sctabnet.data.corpus import Corpus
from sctabnet.importance.absent_evidence import absent_evidence
from sctabnet.importance.attention_blocks import attention_blocks
from sctabnet.importance.explain import Method, explain
from sctabnet.importance.grouped_expression import GroupedExpression
from sctabnet.importance.grouped_importance import GroupedImportance
from sctabnet.importance.top_genes import top_genes
from sctabnet.model.model import Model

N_TOP = 5


@dataclass(slots=True)
class StreamedImportance:
    """What explaining every cell added up to.

    Parameters
    ----------
    sums, expression
        Importances and expression of every gene in every group.
    groups
        int64 (n_cells,) group of each cell, -1 for none.
    predicted
        int64 (n_cells,) predicted label, -1 for a model without labels.
    n_attended, entropy
        int32 and float32 (n_cells,), genes with attention and its entropy in nats.
    top
        int64 (n_cells, 5), the genes that contribute most, -1 where there are fewer.
    attention
        One CSR (n_cells, columns) per mask, the aggregate first; none unless asked for.
    """

    sums: GroupedImportance
    expression: GroupedExpression
    groups: NDArray[np.int64]
    predicted: NDArray[np.int64]
    n_attended: NDArray[np.int32]
    entropy: NDArray[np.float32]
    top: NDArray[np.int64]
    attention: list[sp.csr_matrix]


def streamed_importance(
    model: Model,
    corpus: Corpus,
    method: Method,
    *,
    groups: NDArray[np.int64] | None,
    label_of_group: NDArray[np.int64],
    columns: NDArray[np.int32] | None = None,
) -> StreamedImportance:
    """Explain every cell for the label of its group.

    Parameters
    ----------
    model
        Trained model.
    corpus
        The cells.
    method
        What is added up.
    groups
        int64 (n_cells,) group of each cell, -1 for none; None groups by the predicted label.
    label_of_group
        int64 (n_groups + 1,), the label that a group's cells are explained for, -1 for each
        cell's predicted one; the last entry is for cells of no group.
    columns
        int32, gene of the vocabulary in each column that attention is to be written for; None for
        no attention.
    """
    n_cells, n_genes, n_groups = corpus.n_cells, len(model.vocabulary), len(label_of_group) - 1
    absent = None if method == "mask" else absent_evidence(model, np.any(corpus.measured, axis=0))
    out = StreamedImportance(
        sums=GroupedImportance(n_genes, n_groups, absent),
        expression=GroupedExpression(n_genes, n_groups),
        groups=np.full(n_cells, -1, dtype=np.int64) if groups is None else groups,
        predicted=np.full(n_cells, -1, dtype=np.int64),
        n_attended=np.zeros(n_cells, dtype=np.int32),
        entropy=np.zeros(n_cells, dtype=np.float32),
        top=np.full((n_cells, N_TOP), -1, dtype=np.int64),
        attention=[],
    )

    def targets(cells: NDArray[np.int64]) -> NDArray[np.int64]:
        return label_of_group[out.groups[cells]]

    blocks: list[list[sp.csr_array]] = []
    explanations = explain(
        model,
        corpus.minibatches(minibatch_size=settings.minibatch_size),
        targets=None if groups is None else targets,
        method=method,
        with_masks=columns is not None,
    )
    is_quiet = not settings.progress_bar
    with tqdm(total=n_cells, unit="cell", desc="importance", disable=is_quiet) as bar:
        for found in explanations:
            cells = found.cells
            out.predicted[cells] = found.predicted
            if groups is None:
                out.groups[cells] = found.predicted
            codes = out.groups[cells]
            out.sums.count(codes, found.explained)
            out.sums.add(found.value, found.genes, found.rows, codes, found.explained)
            out.expression.add(found.x, found.genes, found.rows, codes)
            out.n_attended[cells], out.entropy[cells] = found.n_attended, found.entropy
            out.top[cells] = top_genes(
                found.value, found.genes, found.rows, len(cells), n_top=N_TOP
            )
            if columns is not None:
                blocks.append(attention_blocks(found, columns, n_genes))
            bar.update(len(cells))
    out.attention = [sp.csr_matrix(sp.vstack(of_mask)) for of_mask in zip(*blocks, strict=True)]
    return out
