"""Choose the readout that the model's own answers confirm."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sctabnet.data.minibatch import Minibatch
from sctabnet.importance.absent_evidence import absent_evidence
from sctabnet.importance.deletion import FRACTIONS, deletion
from sctabnet.importance.explain import Method, explain
from sctabnet.importance.grouped_importance import GroupedImportance
from sctabnet.model.model import Model

READOUTS: tuple[Method, ...] = ("contribution", "integrated_gradients", "mask")
_N_RANDOM = 3
_WORTH_A_CHANGE = 0.05


def choose_readout(model: Model, first: Minibatch, second: Minibatch) -> dict[str, Any]:
    """Rank genes on some cells by every readout, delete the top ones in others, and compare.

    The readout after whose deletions the model is least sure of its own answers wins; the first
    of the list stays unless another finds over 5 % more of what deletion takes beyond deleting at
    random, and by more than two standard errors of the paired difference over cells. So the choice
    does not flicker between fits, which would change the ranking for next to nothing.

    Parameters
    ----------
    model
        With a label head.
    first, second
        Cells to rank with and to delete in, on the CPU.

    Returns
    -------
    JSON types: ``readout``, ``fractions`` of deleted genes, and ``curves``, the mean probability
    by name of the ranking (0 first, then every fraction), ``random`` among them.
    """
    n_genes, n_labels = len(model.vocabulary), len(model.labels)
    rng = np.random.default_rng(0)
    scores = {f"random {i}": rng.random(n_genes) for i in range(_N_RANDOM)}
    for method in READOUTS:
        measured = first.measured[first.source_ids].any(0).numpy()
        absent = None if method == "mask" else absent_evidence(model, measured)
        sums = GroupedImportance(n_genes, n_labels, absent)
        for found in explain(model, [first], method=method):
            sums.count(found.predicted, found.explained)
            sums.add(found.value, found.genes, found.rows, found.predicted, found.explained)
        scores[method] = sums.overall(sums.n_cells > 0)[0]
    probabilities = deletion(model, second, _predicted(model, second), scores)
    loss = {method: probabilities[method][1:].mean(0) for method in READOUTS}
    curves = {str(method): probabilities[method].mean(1) for method in READOUTS}
    curves["random"] = np.mean(
        [probabilities[name].mean(1) for name in scores if name.startswith("random")], axis=0
    )
    by_chance = curves["random"][1:].mean()
    chosen = READOUTS[0]
    for method in READOUTS[1:]:
        gain = loss[chosen] - loss[method]
        least = _WORTH_A_CHANGE * (by_chance - loss[method].mean())
        if gain.mean() > max(2 * gain.std(ddof=1) / np.sqrt(len(gain)), least):
            chosen = method
    return {
        "readout": chosen,
        "fractions": [0.0, *FRACTIONS],
        "curves": {name: [float(value) for value in curve] for name, curve in curves.items()},
    }


@torch.no_grad()
def _predicted(model: Model, cells: Minibatch) -> NDArray[np.int64]:
    network = model.network.eval()
    logits = network(cells.to(next(network.parameters()).device)).logits
    assert logits is not None, "only a model with labels can be tested by deletion"
    return logits.argmax(1).cpu().numpy()
