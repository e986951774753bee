"""First-order permutation importance of all genes, from one backward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from sctabnet.nn.tokens import Tokens
from sctabnet.ops import gene_dot, row_index
from sctabnet.train.gene_totals import gene_totals


def permutation_importance(
    tokens: Tokens,
    gradient_k: Tensor,
    u_nd: Tensor,
    paths_gd: Tensor,
    strata_n: Tensor,
    weights_n: Tensor,
) -> Tensor:
    r"""Return (g,) by how much a scalar rises if a gene's values are permuted across cells.

    For gene g and cells c of a stratum with values permuted by :math:`\pi`, to first order

    .. math:: I_g = \sum_c \frac{\partial \ell}{\partial x_{cg}} (x_{\pi(c) g} - x_{cg}).

    It is linear in the permuted values, so its mean over *all* permutations within a stratum is
    had by putting the stratum's mean in the place of :math:`x_{\pi(c) g}`: no draw, no noise of
    one. The sum runs over genes that a cell shows and over those that it would get from another
    cell. The latter have no attention yet; what enters a linear sum of the network, such as the
    wide path, is counted for them. Changes of a mask's support are not seen.

    Only cells that measured a gene exchange its values.

    Parameters
    ----------
    tokens
        The lists that the network read; ``expressed`` support.
    gradient_k
        (k,) derivative of the scalar with respect to each listed value, 0 for the absent token.
    u_nd, paths_gd
        (n, d) derivative with respect to each cell's linear sums, and (g, d) what genes add there.
    strata_n
        int64 (n,) stratum of each cell, within which values are permuted.
    weights_n
        (n,) 0 for padding cells, which take no part.

    Returns
    -------
    float32 (g,), signed: positive where the gene's values lower the scalar.
    """
    n_genes = len(paths_gd)
    is_gene = tokens.indices < n_genes
    rows = row_index(tokens.offsets)[is_gene]
    genes, x = tokens.indices[is_gene], tokens.x[is_gene].detach()
    counts = weights_n > 0
    strata, stratum_n = torch.unique(strata_n, return_inverse=True)
    n_strata = len(strata)
    source_of = tokens.source_ids * n_strata + stratum_n
    kinds, kind_n = torch.unique(source_of, return_inverse=True)
    kind_stratum = kinds % n_strata
    panel = tokens.panel[kinds // n_strata]
    one = torch.nn.functional.one_hot(kind_n, len(kinds)).to(u_nd) * counts[:, None]
    to_stratum = torch.nn.functional.one_hot(kind_stratum, n_strata).to(u_nd)
    # cells of each stratum that measured each gene, and the mean of their values
    measured = to_stratum.T @ (one.sum(0)[:, None] * panel)
    flat = stratum_n[rows] * n_genes + genes
    alive = counts[rows].to(x)
    total = gene_totals(x * alive, flat, n_strata * n_genes).reshape(n_strata, n_genes)
    mean = total / measured.clamp_min(1)
    # every measured gene as if silent, then the listed ones put right
    silent = ((one.T @ u_nd) @ paths_gd.T * panel * mean[kind_stratum]).sum(0)
    listed_offsets = torch.nn.functional.pad(
        torch.bincount(rows, minlength=len(u_nd)).cumsum(0), (1, 0)
    )
    linear = gene_dot(u_nd, paths_gd, genes, listed_offsets)
    expected = mean.flatten()[flat]
    listed = gradient_k[is_gene] * (expected - x) - linear * expected
    return silent + gene_totals(listed * alive, genes, n_genes)
