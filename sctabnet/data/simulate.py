from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from sctabnet._errors import InputError

_CELLS_AT_ONCE = 2000
_DISPERSION = 0.3  # of the gamma in front of the Poisson: variance = mean + 0.3 mean^2
_MARKER_LOG2_FOLD = 2.5
_PROGRAM_SIZE = 8


def simulate_atlas(
    n_cells: int = 1000,
    n_genes: int = 400,
    *,
    n_types: int = 6,
    n_markers: int = 8,
    n_null_programs: int = 5,
    n_donors: int = 4,
    n_batches: int = 2,
    mean_counts: float = 1500.0,
    random_state: int = 0,
) -> AnnData:
    """Simulate an atlas of raw counts of which the marker genes are known.

    Counts are gamma-Poisson. Each cell type has ``n_markers`` marker genes of its own, which are
    redundant: they rise by about the same factor, and rise and fall together from cell to cell. As
    decoys, ``n_null_programs`` groups of eight genes rise and fall together just as much, but alike
    in all types. Donors differ in type shares and, a little, in every gene; batches differ more,
    and in sequencing depth. Each donor belongs to one batch.

    Parameters
    ----------
    n_cells, n_genes
        Size of the atlas.
    n_types
        Cell types; their shares are unequal and differ between donors.
    n_markers
        Marker genes per type.
    n_null_programs
        Groups of genes that are co-expressed but tell nothing about the type.
    n_donors, n_batches
        Donor ``i`` is of batch ``i`` modulo ``n_batches``.
    mean_counts
        Mean number of counts per cell, about.
    random_state
        Seed; the same arguments give the same atlas.

    Returns
    -------
    anndata.AnnData
        ``X``: CSR float32 counts (n_cells, n_genes).
        ``obs``: categorical ``cell_type``, ``donor``, ``batch``.
        ``var``: ``is_marker`` (bool), ``marker_of`` (type, or an empty string), ``program``
        (number of the null program, -1 for none). ``varm["log2_fold_change"]``: float32
        (n_genes, n_types), true effect of a type on each gene. ``uns["simulation"]``: the
        arguments, and ``types``, the names of the columns of ``varm``.

    Raises
    ------
    ValueError
        If a size is not positive, or the genes do not suffice for all markers and programs.

    Examples
    --------
    >>> adata = simulate_atlas(100, n_types=3)
    >>> adata.shape, int(adata.var["is_marker"].sum())
    ((100, 400), 24)
    """
    arguments = {
        "n_cells": n_cells,
        "n_genes": n_genes,
        "n_types": n_types,
        "n_markers": n_markers,
        "n_null_programs": n_null_programs,
        "n_donors": n_donors,
        "n_batches": n_batches,
        "mean_counts": mean_counts,
        "random_state": random_state,
    }
    _check(arguments)
    rng = np.random.default_rng(random_state)
    types = [f"type_{t}" for t in range(n_types)]

    roles = rng.permutation(n_genes)
    markers = roles[: n_types * n_markers].reshape(n_types, n_markers)
    rest = roles[n_types * n_markers :]
    programs = rest[: n_null_programs * _PROGRAM_SIZE].reshape(n_null_programs, _PROGRAM_SIZE)
    fold_gt = np.zeros((n_genes, n_types))
    for t in range(n_types):
        fold_gt[markers[t], t] = rng.normal(_MARKER_LOG2_FOLD, 0.3, n_markers)

    base_g = rng.normal(0.0, 1.2, n_genes)
    donor_shift = rng.normal(0.0, 0.15, (n_donors, n_genes))
    batch_shift = rng.normal(0.0, 0.35, (n_batches, n_genes))
    batch_depth = rng.lognormal(0.0, 0.2, n_batches)
    shares = rng.dirichlet(np.full(n_types, 5.0), n_donors)

    donor_n = rng.integers(n_donors, size=n_cells)
    batch_n = donor_n % n_batches
    type_n = np.array([rng.choice(n_types, p=shares[donor]) for donor in donor_n], dtype=np.int64)

    blocks = []
    for start in range(0, n_cells, _CELLS_AT_ONCE):
        cells = slice(start, min(start + _CELLS_AT_ONCE, n_cells))
        t_n, d_n, b_n = type_n[cells], donor_n[cells], batch_n[cells]
        log_ng = base_g + donor_shift[d_n] + batch_shift[b_n] + np.log(2.0) * fold_gt[:, t_n].T
        # one draw per cell for all genes of a program makes them rise and fall together
        for genes in programs:
            log_ng[:, genes] += rng.normal(0.0, 0.7, (len(t_n), 1))
        own = markers[t_n]
        log_ng[np.arange(len(t_n))[:, None], own] += rng.normal(0.0, 0.7, (len(t_n), 1))
        blocks.append(_draw(log_ng, mean_counts * batch_depth[b_n], rng))

    marker_of = np.full(n_genes, "", dtype=object)
    program_g = np.full(n_genes, -1)
    for t in range(n_types):
        marker_of[markers[t]] = types[t]
    for p in range(n_null_programs):
        program_g[programs[p]] = p
    obs = pd.DataFrame(
        {
            "cell_type": _categorical(type_n, types),
            "donor": _categorical(donor_n, [f"donor_{i}" for i in range(n_donors)]),
            "batch": _categorical(batch_n, [f"batch_{i}" for i in range(n_batches)]),
        },
        index=[f"cell_{i}" for i in range(n_cells)],
    )
    var = pd.DataFrame(
        {"is_marker": marker_of != "", "marker_of": marker_of.astype(str), "program": program_g},
        index=[f"GENE{i}" for i in range(n_genes)],
    )
    return AnnData(
        sp.vstack(blocks, format="csr"),
        obs=obs,
        var=var,
        varm={"log2_fold_change": fold_gt.astype(np.float32)},
        uns={"simulation": arguments | {"types": types}},
    )


def _check(arguments: dict[str, int | float]) -> None:
    may_be_zero = {"random_state", "n_null_programs"}
    for name, value in arguments.items():
        if value < 0 or (value == 0 and name not in may_be_zero):
            raise InputError(f"{name} must be positive. Found {value}. Pass a larger number.")
    needed = arguments["n_types"] * arguments["n_markers"]
    needed += arguments["n_null_programs"] * _PROGRAM_SIZE
    if needed > arguments["n_genes"]:
        raise InputError(
            f"n_genes must hold all marker genes and null programs, which are {needed}. "
            f"Found n_genes={arguments['n_genes']}. Pass more genes, or fewer markers or programs."
        )


def _categorical(codes: NDArray[np.int64], names: list[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, pd.Index(names))


def _draw(
    log_ng: NDArray[np.float64], depth_n: NDArray[np.float64], rng: np.random.Generator
) -> sp.csr_matrix:
    """Draw gamma-Poisson counts, about ``depth_n`` per cell, genes in the given proportions."""
    share_ng = np.exp(log_ng)
    share_ng /= share_ng.sum(axis=1, keepdims=True)
    depth_n = depth_n * rng.lognormal(0.0, 0.3, len(depth_n))
    noise_ng = rng.gamma(1.0 / _DISPERSION, _DISPERSION, share_ng.shape)
    return sp.csr_matrix(rng.poisson(share_ng * depth_n[:, None] * noise_ng).astype(np.float32))
