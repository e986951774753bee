"""Self-attention over learned gene programs, between the feature transformer and the mask.

Legend: n cells, g genes, k listed genes of all cells, p programs, v width of a program's values,
a width of the attention state, h heads, l layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sctabnet.nn.gene_table import GeneTable
from sctabnet.nn.multi_head_attention import MultiHeadAttention
from sctabnet.nn.tokens import Tokens
from sctabnet.ops import gene_sum, row_index

# the widest gap between two genes' loadings in a program is e^20, far from float32's limits
_LIMIT = 10.0


@dataclass(slots=True)
class Programs:
    """The gene programs of n cells, and which program looked at which.

    Parameters
    ----------
    tokens_npa
        (n, p, a), the programs after self-attention.
    maps_nlhpp
        (n, l, h, p, p), each layer's attention maps; rows sum to 1.
    reads_nshp
        (n, s, h, p), what the attention state of each step read; rows sum to 1. Filled by the
        encoder.
    """

    tokens_npa: Tensor
    maps_nlhpp: Tensor
    reads_nshp: Tensor | None = None


class ProgramAttention(nn.Module):
    r"""Induced set attention: p learned programs read the genes, attend to each other, are read.

    .. math::
        u_p &= \sum_i \mathrm{softmax}_i(\ell_{g_i p}) \, \nu_i v_{g_i p}, \qquad
        H^0_p = W u_p + b_p \\
        H^{l} &= \mathrm{block}_l(H^{l-1}) \quad\text{(multi-head self-attention, then a GELU
        layer; layer norm before each, residual around each)} \\
        a^{s} &\leftarrow a^{s} + W_o \, \mathrm{MHA}(\mathrm{norm}(a^{s}), H^L)

    Attention among the k genes themselves would cost their square. Here the programs stand
    between, and since a program's affinity to a gene does not depend on the cell, softmax over a
    cell's list is the ratio of two sums over it: the cost is linear in the expressed genes.
    :math:`\ell` is kept within :math:`\pm 10` by a tanh, so that no sum underflows.
    :math:`W_o` starts at zero, so that switching the programs on starts from TabNet.

    Parameters
    ----------
    gene_keys_g
        int64 (g,), one key per gene.
    n_programs, n_layers, n_heads
        p, l and h.
    width
        Width a of the attention state, which h divides.
    seed
        Seed of the gene tables.

    Notes
    -----
    Lee et al. (2019), "Set Transformer", equations 9 and 10 (arXiv 1810.00825).
    """

    VALUES = 8

    def __init__(
        self,
        gene_keys_g: Tensor,
        *,
        n_programs: int,
        n_layers: int,
        n_heads: int,
        width: int,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_programs = n_programs
        self.loadings = GeneTable(gene_keys_g, n_programs, name="loadings", std=1.0, seed=seed)
        self.values = GeneTable(
            gene_keys_g, n_programs * self.VALUES, name="program_values", std=1.0, seed=seed
        )
        self.lift = nn.Linear(self.VALUES, width)
        self.addresses = nn.Parameter(torch.randn(n_programs, width))
        self.layers = nn.ModuleList(_Block(width, n_heads) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.last_norm = nn.LayerNorm(width)
        self.reader = MultiHeadAttention(width, n_heads)
        nn.init.zeros_(self.reader.out.weight)

    def forward(self, tokens: Tokens) -> Programs:
        """Return the programs of each cell after self-attention."""
        weight_gp = self._weights()
        table = (self.values().unflatten(1, (-1, self.VALUES)) * weight_gp[:, :, None]).flatten(1)
        total_npv = gene_sum(tokens.nu, tokens.indices, tokens.offsets, table)
        ones = torch.ones_like(tokens.scaled)
        norm_np = gene_sum(ones, tokens.indices, tokens.offsets, weight_gp)
        pooled = total_npv.unflatten(1, (-1, self.VALUES)) / norm_np.clamp_min(1e-30)[:, :, None]
        state, maps = self.lift(pooled) + self.addresses, []
        for layer in self.layers:
            state, map_nhpp = layer(state)
            maps.append(map_nhpp)
        return Programs(tokens_npa=self.last_norm(state), maps_nlhpp=torch.stack(maps, 1))

    def read(self, attention_na: Tensor, programs: Programs) -> tuple[Tensor, Tensor]:
        """Return the attention state (n, a) with what it read added, and the weights (n, h, p)."""
        query = self.norm(attention_na)[:, None, :]
        read, weights_nh1p = self.reader(query, programs.tokens_npa)
        return attention_na + read[:, 0], weights_nh1p[:, :, 0]

    @torch.no_grad()
    def gene_weights(self, tokens: Tokens) -> Tensor:
        """Return how much each program looks at each listed gene (k, p); 1 per cell and program."""
        weight_gp = self._weights()
        ones = torch.ones_like(tokens.scaled)
        norm_np = gene_sum(ones, tokens.indices, tokens.offsets, weight_gp)
        return weight_gp[tokens.indices] / norm_np[row_index(tokens.offsets)].clamp_min(1e-30)

    def _weights(self) -> Tensor:
        return torch.exp(_LIMIT * torch.tanh(self.loadings() / _LIMIT))


class _Block(nn.Module):
    """One layer of self-attention among programs, layer norms first."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, n_heads)
        self.transform = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )

    def forward(self, state_npa: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.norm(state_npa)
        read, map_nhpp = self.attention(normed, normed)
        state_npa = state_npa + read
        return state_npa + self.transform(state_npa), map_nhpp
