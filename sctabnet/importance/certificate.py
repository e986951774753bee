"""Which genes tell something about the labels, with a false discovery rate."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from sctabnet.data.minibatch import Minibatch
from sctabnet.importance.knockoff_evalues import knockoff_evalues
from sctabnet.importance.list_cells import list_cells
from sctabnet.importance.matrix_of import matrix_of
from sctabnet.model.model import Model
from sctabnet.train.decoys import decoys

N_DRAWS = 20
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2)
MIN_CELLS = 10
_AT_ONCE = 1024
Array = NDArray[np.float64]


def certificate(
    model: Model,
    cells: Minibatch,
    labels: NDArray[np.int64],
    strata: NDArray[np.int64],
    *,
    n_draws: int = N_DRAWS,
    random_state: int = 0,
) -> Array:
    r"""Return a q-value for every gene: whether what the model reads there speaks of the labels.

    Every gene gets a decoy, its own values permuted across cells within strata. Then

    .. math:: W_g = u_g \frac{B_g(x) - B_g(\tilde x)}{B_g(x) + B_g(\tilde x)},
        \qquad u_g = \sigma_g \sqrt{\sum_c
            \left(\frac{\partial \ell}{\partial x_{cg}}\Big|_{(x + \tilde x) / 2}\right)^2}

    with :math:`B_g` the spread of a gene's mean over labels and :math:`u_g` how much the model's
    loss listens to the gene, half way between the cells and their decoys. The use does not change
    if gene and decoy are swapped and the other factor changes its sign, so that for a gene whose
    values are unrelated to labels and other genes W is symmetric about zero, and counting negative
    W tells how many positive ones are false (knockoff+, Barber and Candes 2015). Repeated over
    draws of decoys, the evidence is averaged as e-values and selected by e-BH (Ren and Barber 2024,
    arXiv 2205.15461). A gene that the model does not use is never selected.

    The error rate holds against *marginal* nulls only, and only for cells that the model was not
    trained on: a gene without a meaning of its own that is co-expressed with a marker is no null
    here.

    Parameters
    ----------
    model
        With a label head.
    cells
        n cells on the CPU that the model has not seen in training.
    labels
        int64 (n,) their true labels, as the model numbers them.
    strata
        int64 (n,) experimental batch within which values are permuted.
    n_draws
        Draws of decoys.
    random_state
        Seed of the draws.

    Returns
    -------
    float64 (g,): the smallest of 0.01, 0.02, 0.05, 0.1, 0.2 at which the gene is selected, 1 where
    it never is; NaN for genes that fewer than 10 cells show.
    """
    x = matrix_of(cells)
    tested = np.asarray((x > 0).sum(0)).ravel() >= MIN_CELLS
    weights = 1 / np.bincount(labels)[labels]  # every label counts alike
    evidence = {level: np.zeros(x.shape[1]) for level in LEVELS}
    for draw in range(n_draws):
        other = decoys(x, strata, random_state=random_state + draw)
        w = np.where(tested, _statistic(model, cells, x, other, labels, weights), np.nan)
        for level in LEVELS:
            # half of the level for the threshold leaves room for evidence to vary between draws
            evidence[level] += knockoff_evalues(w, level / 2) / n_draws
    qvalue = np.where(tested, 1.0, np.nan)
    for level in reversed(LEVELS):
        qvalue[_selected(evidence[level], int(tested.sum()), level)] = level
    return qvalue


def _statistic(
    model: Model,
    cells: Minibatch,
    x: sp.csr_array,
    other: sp.csr_array,
    labels: NDArray[np.int64],
    weights: Array,
) -> Array:
    network = model.network.eval()
    device = next(network.parameters()).device
    middle = sp.csr_array((x + other) / 2)
    squares = np.zeros(x.shape[1])
    for start in range(0, x.shape[0], _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, x.shape[0]))
        listed, at = list_cells(middle[rows], cells, rows)
        listed, at = listed.to(device), at.to(device).requires_grad_()
        with torch.enable_grad():
            logits = network(listed, x=at).logits
            assert logits is not None, "the certificate is about labels"
            given = torch.from_numpy(labels[rows]).to(device)
            loss = torch.nn.functional.cross_entropy(logits, given, reduction="none")
            (gradient,) = torch.autograd.grad(
                (loss * torch.from_numpy(weights[rows]).to(loss)).sum(), at
            )
        np.add.at(squares, listed.indices.cpu().numpy(), gradient.cpu().double().numpy() ** 2)
    mean = np.asarray(x.mean(0)).ravel()
    variance = np.maximum(np.asarray(x.multiply(x).mean(0)).ravel() - mean**2, 0)
    true, false = _between(x, labels), _between(other, labels)
    return np.sqrt(variance * squares) * (true - false) / np.maximum(true + false, 1e-300)


def _between(x: sp.csr_array, labels: NDArray[np.int64]) -> Array:
    """Return float64 (g,), the variance of a gene's mean over labels, which count alike."""
    present, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    share = sp.csr_array(
        (1 / counts[codes], (codes, np.arange(len(codes)))), shape=(len(present), len(codes))
    )
    return np.asarray((share @ x).todense()).var(0)


def _selected(evidence: Array, n_tested: int, level: float) -> NDArray[np.int64]:
    """Return the genes that e-BH selects: the k largest, all at least n / (level * k)."""
    order = np.argsort(-evidence, kind="stable")
    k = np.arange(1, len(order) + 1)
    enough = np.flatnonzero(evidence[order] >= n_tested / (level * k))
    return order[: enough[-1] + 1] if len(enough) else order[:0]
