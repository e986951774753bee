"""Gene-token TabNet: sequential attention over a cell's list of genes.

Legend of suffixes: n cells, g genes, k listed genes of all cells, d embedding, s decision steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from sctabnet.nn.encoder_config import ALPHA, EncoderConfig
from sctabnet.nn.feature_transformer import FeatureTransformer
from sctabnet.nn.gene_table import GeneTable
from sctabnet.nn.glu_linear import glu_linear
from sctabnet.nn.program_attention import ProgramAttention, Programs
from sctabnet.nn.step_mixer import StepMixer
from sctabnet.nn.tokens import Tokens
from sctabnet.ops import (
    attend,
    centred_gene_sum,
    gene_dot,
    gene_sum,
    row_index,
)

N_AXES = 50  # of variation that are kept of some cells


@dataclass(slots=True)
class EncoderOutput:
    """What one pass gives: prediction and explanation come from the same tensors.

    Parameters
    ----------
    embedding
        (n, n_d), the sum over steps of ReLU(d^s), and what a :class:`StepMixer` adds to it.
    masks
        One (k,) tensor per step; the weights of each cell sum to 1.
    step_weights
        (n, s), the share of step s in the embedding, TabNet's eta_s normalised over steps.
    sparsity
        Scalar, mean entropy of the masks over steps and cells (TabNet's L_sparse).
    offsets
        int64 (n + 1,), where each cell's list starts.
    programs
        The gene programs and their attention maps, or None for an encoder without them.
    """

    embedding: Tensor
    masks: list[Tensor]
    step_weights: Tensor
    sparsity: Tensor
    offsets: Tensor
    programs: Programs | None = None

    def aggregate_mask(self, offsets: Tensor) -> Tensor:
        """Return the step-weighted mask (k,), which sums to 1 over each cell's list."""
        rows = row_index(offsets)
        total = torch.zeros_like(self.masks[0])
        for mask, weight_n in zip(self.masks, self.step_weights.T, strict=True):
            total = torch.addcmul(total, mask, weight_n[rows])
        return total


class GeneEncoder(nn.Module):
    r"""TabNet whose first linear layer is a sum of gene embeddings and whose mask is attention.

    With prior :math:`p^0 = 1` and :math:`a^0 = [\Phi_0(\sum_i \nu_i e_{g_i}, c)]_{att}`, for every
    decision step s:

    .. math::
        z_i &= p_i (\tau_s \langle q_s(a^{s-1}), k^s_{g_i} \rangle + b^s_{g_i}) \\
        m &= \mathrm{entmax}_\alpha(z), \qquad p_i \leftarrow p_i (\gamma - m_i) \\
        (d^s, a^s) &= \Phi_s(\sum_i m_i \nu_i e_{g_i}, c)

    A cell is a list of (gene id, value); nothing depends on column position. The algebra is that
    of TabNet (Arik and Pfister, arXiv 1908.07442); with ``panel`` support and frozen batch norms
    it equals the dense network exactly.

    Parameters
    ----------
    gene_keys_g
        int64 (g,), one key per gene of the vocabulary.
    config
        Sizes and choices.
    covariate_dim
        Width of the covariate embedding c; 0 for none.
    seed
        Seed of the gene tables.
    """

    mean: Tensor
    std: Tensor
    attention: Tensor
    importance: Tensor
    log_prior: Tensor
    loadings: Tensor

    Config: TypeAlias = EncoderConfig

    def __init__(
        self, gene_keys_g: Tensor, config: EncoderConfig, *, covariate_dim: int = 0, seed: int = 0
    ) -> None:
        super().__init__()
        self.config = config
        width = config.n_d + config.n_a
        n_genes = len(gene_keys_g)
        self.register_buffer("mean", torch.zeros(n_genes))
        self.register_buffer("std", torch.ones(n_genes))
        # mean mask over held-out training cells: how much a missing gene takes from the model
        self.register_buffer("attention", torch.zeros(n_genes))
        # moving average of the genes' permutation importance, and the mask prior made of it
        self.register_buffer("importance", torch.zeros(n_genes))
        self.register_buffer("log_prior", torch.zeros(n_genes))
        # axes of raw and of scaled values in the cells of pretraining, for those who learn labels
        self.register_buffer("loadings", torch.zeros(n_genes, 2, N_AXES))
        self.embeddings = GeneTable(gene_keys_g, 2 * width, name="embeddings", std=0.1, seed=seed)
        n_tables = 1 if config.shared_keys else config.n_steps
        self.keys = nn.ModuleList(
            GeneTable(gene_keys_g, config.n_a, name=f"keys{i}", std=config.n_a**-0.5, seed=seed)
            for i in range(n_tables)
        )
        self.biases = nn.ModuleList(
            GeneTable(gene_keys_g, 1, name=f"biases{i}", std=0, seed=seed)
            for i in range(config.n_steps)
        )
        self.queries = nn.ModuleList(
            nn.Linear(config.n_a, config.n_a, bias=False) for _ in range(config.n_steps)
        )
        self.temperatures = nn.Parameter(torch.ones(config.n_steps))
        self.shared = nn.ModuleList(glu_linear(width, width) for _ in range(config.n_shared - 1))
        self.transformers = nn.ModuleList(
            FeatureTransformer(
                width,
                self.shared,
                config.n_independent,
                ghost_size=config.ghost_size,
                momentum=config.momentum,
            )
            for _ in range(config.n_steps + 1)
        )
        self.covariates = nn.Linear(covariate_dim, 2 * width, bias=False) if covariate_dim else None
        if self.covariates is not None:
            nn.init.zeros_(self.covariates.weight)
        # made last and only on request: the other parts' initial values must not depend on these
        self.programs: ProgramAttention | None = None
        if config.n_programs:
            self.programs = ProgramAttention(
                gene_keys_g,
                n_programs=config.n_programs,
                n_layers=config.program_layers,
                n_heads=config.program_heads,
                width=config.n_a,
                seed=seed,
            )
        self.mixer: StepMixer | None = None
        if config.steps != "sum":
            self.mixer = StepMixer(
                config.steps,
                config.n_d,
                config.n_steps,
                kernel=config.step_kernel,
                n_heads=config.step_heads,
                dropout=config.step_dropout,
            )

    def forward(
        self,
        tokens: Tokens,
        covariates_nd: Tensor | None = None,
        weights_n: Tensor | None = None,
        *,
        hold_masks: bool = False,
    ) -> EncoderOutput:
        """Encode n cells.

        Parameters
        ----------
        tokens
            The cells' lists.
        covariates_nd
            (n, covariate_dim) summed covariate embeddings, or None.
        weights_n
            (n,) cells of weight 0 enter no batch statistic; None means all count.
        hold_masks
            Pass no gradient through the masks, as if they were given.
        """
        config, alpha = self.config, ALPHA[self.config.mask]
        indices, offsets, table = tokens.indices, tokens.offsets, self.embeddings()
        shift = 0.0
        if self.covariates is not None and covariates_nd is not None:
            shift = self.covariates(covariates_nd)
        whole = self._whole(tokens, table)
        # a slice with strides is multiplied in another order: parts that add zero would move bits
        attention = self.transformers[0](whole + shift, weights_n)[:, config.n_d :].contiguous()
        prior: Tensor | None = None  # ones, which need no multiplication
        log_prior = torch.nn.functional.pad(self.log_prior, (0, 1))
        masks, decisions, entropies, reads = [], [], [], []
        programs = None if self.programs is None else self.programs(tokens)
        for step in range(config.n_steps):
            if self.programs is not None and programs is not None:
                attention, read = self.programs.read(attention, programs)
                reads.append(read)
            query = self.queries[step](attention) * self.temperatures[step]
            keys = self.keys[0 if config.shared_keys else step]()
            bias = self.biases[step]().squeeze(1) + log_prior
            logits = gene_dot(query, keys, indices, offsets, bias)
            if prior is not None:
                logits = prior * logits
            if hold_masks:
                logits = logits.detach()
            mask, attended, entropy = attend(
                logits, tokens.scaled, indices, offsets, table, tokens.centre, alpha=alpha
            )
            del logits  # one of the largest tensors
            if step + 1 < config.n_steps:
                relaxed = config.gamma - mask
                prior = relaxed if prior is None else prior * relaxed
            out = self.transformers[step + 1](attended + shift, weights_n)
            decisions.append(torch.relu(out[:, : config.n_d]))
            attention = out[:, config.n_d :].contiguous()
            masks.append(mask)
            entropies.append(entropy)
        contributions = torch.stack([d.sum(1) for d in decisions], 1)
        total = contributions.sum(1, keepdim=True)
        uniform = torch.full_like(contributions, 1 / config.n_steps)
        step_weights = torch.where(total > 0, contributions / total.clamp_min(1e-12), uniform)
        entropy_n = torch.stack(entropies, 1).mean(1)
        if weights_n is None:
            sparsity = entropy_n.mean()
        else:
            sparsity = (entropy_n * weights_n).sum() / weights_n.sum().clamp_min(1e-12)
        if programs is not None:
            programs.reads_nshp = torch.stack(reads, 1)
        if self.mixer is None:
            embedding = torch.stack(decisions).sum(0)
        else:
            embedding = self.mixer(torch.stack(decisions, 1))
        return EncoderOutput(
            embedding=embedding,
            masks=masks,
            step_weights=step_weights,
            sparsity=sparsity,
            offsets=offsets,
            programs=programs,
        )

    def _whole(self, tokens: Tokens, table: Tensor) -> Tensor:
        """Return the sum of nu e over the genes that each cell's panel measured, (n, d).

        Listed genes add x/sigma e; mu/sigma e is taken off for the whole panel, computed once per
        source. Genes hidden by masked pretraining count as unmeasured: they must not read as
        measured and silent.
        """
        ratio = tokens.centre[:-1]
        panel, where = tokens.panel, tokens.source_ids
        if len(panel) > 1:  # those that are there; a graph breaks here, for one source it does not
            sources, where = torch.unique(where, return_inverse=True)
            panel = panel[sources]
        # a zero for the absent token: slicing the table would copy its gradient
        centre = torch.nn.functional.pad(panel * ratio, (0, 1))
        whole = centred_gene_sum(
            tokens.scaled, tokens.indices, tokens.offsets, table, centre, where
        )
        if tokens.hidden_indices is None or tokens.hidden_offsets is None:
            return whole
        hidden = ratio[tokens.hidden_indices]
        return whole + gene_sum(hidden, tokens.hidden_indices, tokens.hidden_offsets, table)
