"""Contributions of every gene to the answer for single cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from sctabnet.data.minibatch import Minibatch
from sctabnet.heads.label_contrast import label_contrast
from sctabnet.importance.absent_evidence import absent_evidence
from sctabnet.importance.contributions import contributions
from sctabnet.model.model import Model

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CellContributions:
    """What the genes of n cells add to one label each.

    Parameters
    ----------
    listed
        CSR float32 (n, g), contribution of the genes that a cell lists.
    x
        CSR float32 (n, g), log1p of counts per 10,000, with the same entries.
    absent
        float64 (labels, g), what a gene adds to a cell that does not list it.
    labels
        int64 (n,), the label that each cell is explained for.
    contrast
        float64 (n,), the label's logit less the mean of the others.
    """

    listed: sp.csr_array
    x: sp.csr_array
    absent: Array
    labels: NDArray[np.int64]
    contrast: Array

    def mean_size(self) -> Array:
        """Return float64 (g,), mean over cells of the absolute contribution."""
        total = np.asarray(abs(self.listed).sum(axis=0), dtype=np.float64).ravel()
        for label in np.unique(self.labels):
            rows = np.flatnonzero(self.labels == label)
            n_listed = np.bincount(self.x[rows].indices, minlength=self.x.shape[1])
            total += (len(rows) - n_listed) * np.abs(self.absent[label])
        return total / max(len(self.labels), 1)

    def of_genes(self, genes: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return (n, m) contributions and values of m genes, silent genes included."""
        values = self.x[:, genes].toarray().astype(np.float64)
        listed = self.listed[:, genes].toarray().astype(np.float64)
        return np.where(values != 0, listed, self.absent[self.labels][:, genes]), values


def cell_contributions(
    model: Model,
    minibatches: Iterable[Minibatch],
    measured_g: NDArray[np.bool_],
    *,
    label: int | None = None,
    n_steps: int = 1,
) -> CellContributions:
    """Return the contributions of all genes to cells, sparse: for cells that fit into memory.

    Parameters
    ----------
    model
        With a label head.
    minibatches
        Cells aligned to the model's vocabulary.
    measured_g
        bool (g,), genes that the cells' panel holds.
    label
        The label to explain; None explains each cell's predicted one.
    n_steps
        See :func:`~sctabnet.importance.contributions.contributions`.
    """
    network = model.network.eval()
    device = next(network.parameters()).device
    value_blocks, x_blocks, labels, contrasts = [], [], [], []
    for cpu_minibatch in minibatches:
        minibatch = cpu_minibatch.to(device)
        target = torch.full((len(cpu_minibatch),), -1 if label is None else label, device=device)
        value, x, prediction = contributions(network, minibatch, target, n_steps=n_steps)
        assert prediction.logits is not None, "a label head gives logits"
        logits = prediction.logits.detach()
        chosen = logits.argmax(1) if label is None else target
        shape = (len(cpu_minibatch), len(model.vocabulary))
        where = (cpu_minibatch.indices.numpy(), cpu_minibatch.offsets.numpy())
        value_blocks.append(sp.csr_array((value.detach().cpu().numpy(), *where), shape=shape))
        x_blocks.append(sp.csr_array((x.cpu().numpy(), *where), shape=shape))
        labels.append(chosen.cpu().numpy())
        contrasts.append(label_contrast(logits, chosen).cpu().double().numpy())
    absent = absent_evidence(model, measured_g)
    if absent is None:
        absent = np.zeros((len(model.labels), len(model.vocabulary)))
    return CellContributions(
        sp.csr_array(sp.vstack(value_blocks)),
        sp.csr_array(sp.vstack(x_blocks)),
        absent,
        np.concatenate(labels),
        np.concatenate(contrasts),
    )
