"""Explain a stream of cells: one pass that predicts, attends and attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sctabnet.data.minibatch import Minibatch
from sctabnet.importance.contributions import contributions
from sctabnet.model.model import Model
from sctabnet.ops import row_index, segment_sum

Method = Literal["contribution", "mask", "integrated_gradients"]
PATH_STEPS = 8


@dataclass(slots=True)
class Explanation:
    """What a model says about the n cells of one minibatch; genes k are those of their lists.

    Parameters
    ----------
    cells
        int64 (n,) row ids of the cells.
    predicted, explained
        int64 (n,) predicted label, and the one that the value speaks for; -1 for a model without
        labels.
    genes, rows
        int64 (k,) gene of the vocabulary and position of the cell in the minibatch.
    value
        float32 (k,) contribution or mask.
    x
        float32 (k,) log1p of counts per 10,000.
    masks
        float32 (k,) each: aggregate mask, then the mask of every step; none unless asked for.
    n_attended, entropy
        (n,) genes with attention; entropy in nats of the aggregate mask, absent token included.
    """

    cells: NDArray[np.int64]
    predicted: NDArray[np.int64]
    explained: NDArray[np.int64]
    genes: NDArray[np.int64]
    rows: NDArray[np.int64]
    value: NDArray[np.float32]
    x: NDArray[np.float32]
    masks: list[NDArray[np.float32]]
    n_attended: NDArray[np.int32]
    entropy: NDArray[np.float32]


def explain(
    model: Model,
    minibatches: Iterable[Minibatch],
    *,
    targets: Callable[[NDArray[np.int64]], NDArray[np.int64]] | None = None,
    method: Method = "contribution",
    with_masks: bool = False,
) -> Iterator[Explanation]:
    """Yield an :class:`Explanation` of every minibatch, from the pass that predicts.

    Parameters
    ----------
    model
        Trained model.
    minibatches
        Cells aligned to the model's vocabulary.
    targets
        From row ids to the label that each cell is explained for, -1 for the predicted one.
    method
        What ``value`` holds: contributions to the label's contrast, at the cell or averaged along
        the way from the genes' means to it (8 points), or the aggregate mask.
    with_masks
        Hand out the masks too, which are larger than all else.
    """
    network = model.network.eval()
    device = next(network.parameters()).device
    n_genes = len(model.vocabulary)
    n_steps = PATH_STEPS if method == "integrated_gradients" else 1
    for cpu_minibatch in minibatches:
        minibatch = cpu_minibatch.to(device)
        cells = cpu_minibatch.row_ids.numpy()
        wanted = None if targets is None else torch.from_numpy(targets(cells)).to(device)
        contribution, _, prediction = contributions(network, minibatch, wanted, n_steps=n_steps)
        tokens, encoded = prediction.tokens, prediction.encoded
        aggregate = encoded.aggregate_mask(tokens.offsets).detach()
        rows = row_index(tokens.offsets)
        is_gene = tokens.indices < n_genes
        listed = is_gene.nonzero()[:, 0]
        handed = [aggregate, *encoded.masks] if with_masks else []
        entropy = torch.special.entr(aggregate)
        attended = ((aggregate > 0) & is_gene).to(aggregate)
        if method == "mask":
            value = aggregate[listed]
        elif len(contribution) == len(listed):  # no list holds a gene that is not expressed
            value = contribution
        else:
            value = torch.zeros_like(tokens.x)
            value[is_gene & (tokens.x != 0)] = contribution
            value = value[listed]
        logits = prediction.logits
        predicted = (
            torch.full((len(cells),), -1, device=device) if logits is None else logits.argmax(1)
        )
        explained = predicted if wanted is None else torch.where(wanted < 0, predicted, wanted)
        yield Explanation(
            cells=cells,
            predicted=predicted.cpu().numpy(),
            explained=explained.cpu().numpy(),
            genes=tokens.indices[listed].cpu().numpy(),
            rows=rows[listed].cpu().numpy(),
            value=value.cpu().numpy(),
            x=tokens.x[listed].detach().cpu().numpy(),
            masks=[mask.detach()[listed].cpu().numpy() for mask in handed],
            n_attended=segment_sum(attended, tokens.offsets).cpu().numpy().astype(np.int32),
            entropy=segment_sum(entropy, tokens.offsets).detach().cpu().numpy(),
        )
