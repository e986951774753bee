from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from sctabnet._errors import InputError

_DISPERSION = 0.2  # of the gamma in front of the Poisson
_N_PROGRAMS = 12
_EFFECT = 1.0  # standard deviation of a program's response to a perturbation, log units
_PRIVATE = 0.35  # standard deviation of what a perturbation does beside programs
_SYSTEMATIC = 0.25  # standard deviation of the shift that all perturbations share
_INTERACTION = 0.6  # standard deviation of a genetic interaction on a gene that has one
_INTERACTING_GENES = 0.05  # share of genes with an interaction, per pair
_CONTEXT_SHIFT = 0.9  # standard deviation of a gene's base level between contexts
_CONTEXT_RESPONSE = 0.35  # standard deviation of log responsiveness of a program in a context


def simulate_perturbation(
    n_genes: int = 400,
    *,
    n_targets: int = 24,
    n_pairs: int = 40,
    n_contexts: int = 1,
    n_batches: int = 2,
    doses: tuple[float, ...] = (1.0,),
    cells_per_condition: int = 60,
    n_control: int = 200,
    mean_counts: float = 2000.0,
    random_state: int = 0,
) -> AnnData:
    r"""Simulate a perturbation screen of raw counts of which every true mean is known.

    Natural-log rates are

    .. math:: \log \lambda = b_c + t_{batch} + \sum_{i \in p} s(d_i)(\mu + A_c R w_i + v_i)
              + \sum_{i<j} u_{ij}

    with base levels :math:`b_c` of a context, a shift :math:`\mu` that all perturbations share,
    twelve gene programs R with responses :math:`w_i` (a third of the targets have none) whose
    responsiveness :math:`A_c` depends on the context, private effects v, sparse interactions u on
    5 % of the genes, and a dose response :math:`s(d) = 2d/(1+d)`, which is 1 at dose 1. Counts are
    gamma-Poisson. Targets are no genes of the panel. Effect sizes are constants of this file.

    Parameters
    ----------
    n_genes, n_targets
        Size of panel and of screen.
    n_pairs
        Combinations of two, drawn from all pairs.
    n_contexts
        Cell types; every condition is measured in each.
    n_batches
        Batches, over which the cells of every condition are spread.
    doses
        Doses at which singles are measured; pairs are measured at the first.
    cells_per_condition, n_control
        Cells per condition and context, and control cells per context.
    mean_counts
        Mean number of counts per cell.
    random_state
        Seed.

    Returns
    -------
    anndata.AnnData
        ``X``: CSR float32 counts. ``obs``: categorical ``perturbation`` (``"control"``, ``"P1"``,
        ``"P1+P2"``), ``cell_type``, ``batch``; float ``dose``. ``uns["truth"]``: float32
        (conditions x contexts, n_genes), the expected log1p of counts per 10,000 of an average
        cell, and ``uns["truth_names"]``: ``perturbation|dose|cell_type`` of its rows.

    Raises
    ------
    ValueError
        If a size is not positive.

    Examples
    --------
    >>> adata = simulate_perturbation(50, n_targets=4, n_pairs=2, cells_per_condition=5)
    >>> adata.obs["perturbation"].nunique()
    7
    """
    sizes = {"n_genes": n_genes, "n_targets": n_targets, "n_contexts": n_contexts}
    sizes |= {"n_batches": n_batches, "cells_per_condition": cells_per_condition}
    for name, value in (sizes | {"n_control": n_control, "doses": min(doses)}).items():
        if value <= 0:
            raise InputError(f"{name} must be positive. Found {value}. Pass a larger number.")
    rng = np.random.default_rng(random_state)
    targets = [f"P{i + 1}" for i in range(n_targets)]
    base_g = rng.normal(0.0, 1.3, n_genes)
    base_cg = base_g + rng.normal(0.0, _CONTEXT_SHIFT, (n_contexts, n_genes)) * (n_contexts > 1)
    program_rg = rng.normal(size=(_N_PROGRAMS, n_genes)) * (
        rng.random((_N_PROGRAMS, n_genes)) < 0.15
    )
    response_cr = np.exp(rng.normal(0.0, _CONTEXT_RESPONSE, (n_contexts, _N_PROGRAMS)))
    response_cr = response_cr if n_contexts > 1 else np.ones_like(response_cr)
    strength_t = rng.gamma(2.0, 0.5, n_targets) * (rng.random(n_targets) > 1 / 3)
    uses_tr = rng.normal(0.0, _EFFECT, (n_targets, _N_PROGRAMS))
    uses_tr *= (rng.random((n_targets, _N_PROGRAMS)) < 0.3) * strength_t[:, None]
    private_tg = rng.normal(0.0, _PRIVATE, (n_targets, n_genes)) * (
        rng.random((n_targets, n_genes)) < 0.1
    )
    shift_g = rng.normal(0.0, _SYSTEMATIC, n_genes) * (rng.random(n_genes) < 0.3)
    batch_bg = rng.normal(0.0, 0.1, (n_batches, n_genes))

    pairs = list(combinations(range(n_targets), 2))
    pairs = [pairs[i] for i in sorted(rng.permutation(len(pairs))[:n_pairs])]
    designs: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    designs += [((t,), dose) for t in range(n_targets) for dose in doses]
    designs += [(pair, doses[0]) for pair in pairs]
    interaction: dict[tuple[int, ...], NDArray[np.float64]] = {
        pair: rng.normal(0.0, _INTERACTION, n_genes) * (rng.random(n_genes) < _INTERACTING_GENES)
        for pair in pairs
    }
    blocks, rows, truth, names = [], [], [], []
    for members, dose in designs:
        for c in range(n_contexts):
            effect_g = np.zeros(n_genes)
            for t in members:
                effect_g += (
                    2
                    * dose
                    / (1 + dose)
                    * (shift_g + (response_cr[c] * uses_tr[t]) @ program_rg + private_tg[t])
                )
            effect_g += interaction.get(members, np.zeros(n_genes))
            n = cells_per_condition if members else n_control
            batch_n = np.arange(n) % n_batches
            log_ng = base_cg[c] + effect_g + batch_bg[batch_n]
            blocks.append(_draw(log_ng, mean_counts, rng))
            label = "+".join(targets[t] for t in members) or "control"
            rows += [(label, dose, f"type_{c}", f"batch_{b}") for b in batch_n]
            truth.append(_expected(base_cg[c] + effect_g + batch_bg, mean_counts, rng))
            names.append(f"{label}|{dose:g}|type_{c}")
    obs = pd.DataFrame(rows, columns=["perturbation", "dose", "cell_type", "batch"])
    obs.index = [f"cell_{i}" for i in range(len(obs))]
    for column in ("perturbation", "cell_type", "batch"):
        obs[column] = obs[column].astype("category")
    var = pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)])
    truth_pg = np.array(truth, dtype=np.float32)
    return AnnData(
        sp.vstack(blocks, format="csr"),
        obs=obs,
        var=var,
        uns={"truth": truth_pg, "truth_names": np.array(names, dtype=object)},
    )


def _draw(log_ng: NDArray[np.float64], depth: float, rng: np.random.Generator) -> sp.csr_matrix:
    """Draw gamma-Poisson counts of cells of varying depth."""
    share_ng = np.exp(log_ng)
    share_ng /= share_ng.sum(axis=1, keepdims=True)
    depth_n1 = depth * rng.lognormal(0.0, 0.3, (len(share_ng), 1))
    noise_ng = rng.gamma(1 / _DISPERSION, _DISPERSION, share_ng.shape)
    return sp.csr_matrix(rng.poisson(share_ng * depth_n1 * noise_ng).astype(np.float32))


def _expected(
    log_bg: NDArray[np.float64], depth: float, rng: np.random.Generator, n: int = 1000
) -> NDArray[np.float64]:
    """Return the mean log1p of counts per 10,000 of ``n`` fresh cells: truth with little noise."""
    counts = _draw(np.repeat(log_bg, -(-n // len(log_bg)), axis=0), depth, rng).toarray()
    return np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)
