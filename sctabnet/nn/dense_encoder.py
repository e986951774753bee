"""TabNet's sequential attention over fixed columns.

Legend: n rows, e embedded columns, a attention groups, s decision steps, d decision width,
w width = n_d + n_a.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from sctabnet._errors import InputError
from sctabnet.nn.column_groups import ColumnGroups
from sctabnet.nn.feature_transformer import FeatureTransformer
from sctabnet.nn.ghost_batch_norm import GhostBatchNorm
from sctabnet.nn.glu_linear import glu_linear
from sctabnet.nn.mask_activation import MaskName, mask_activation


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseConfig:
    """Sizes and switches of the dense TabNet."""

    n_d: int = 8
    """Width of the decision part of a step's output."""
    n_a: int = 8
    """Width of the attention part of a step's output."""
    n_steps: int = 3
    """Number of decision steps."""
    gamma: float = 1.3
    """How often a column may be attended to again: 1 = once over all steps."""
    n_shared: int = 2
    """Gated linear units whose linear map all steps share."""
    n_independent: int = 2
    """Gated linear units of each step's own."""
    mask: MaskName = "sparsemax"
    """Mask activation."""
    ghost_size: int = 128
    """Rows normalised together in training."""
    momentum: float = 0.02
    """Momentum of the batch norms."""
    epsilon: float = 1e-15
    """Inside the logarithm of the sparsity loss."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot work together.

        Raises
        ------
        InputError
            Naming the field, what it holds and its valid range.
        """
        least = {"n_d": 1, "n_a": 1, "n_steps": 1, "gamma": 1, "n_shared": 0, "n_independent": 0}
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise InputError(
                    f"{name} is too small. Found {getattr(self, name)}. Pass {lowest} or more."
                )
        if self.n_shared + self.n_independent == 0:
            raise InputError(
                "There is no gated linear unit. Found n_shared=0 and n_independent=0. "
                "Set one of them to 1 or more."
            )
        if self.mask not in get_args(MaskName):
            raise InputError(
                f"mask names no activation. Found {self.mask!r}. "
                f"Choose one of {list(get_args(MaskName))}."
            )


@dataclass(frozen=True, slots=True)
class DenseSteps:
    """What one pass over the decision steps gives."""

    decisions_snd: Tensor
    """ReLU of each step's decision part."""
    masks_sna: Tensor
    """Each step's mask over attention groups; rows sum to 1."""
    sparsity: Tensor
    """Mean entropy of the masks, a scalar to be minimised."""


class DenseEncoder(nn.Module):
    r"""Decision steps over a float matrix of fixed columns.

    With :math:`x` batch-normalised, :math:`p = 1` and :math:`a^0 = [\Phi_0(x)]_{att}`, for each
    step :math:`m = \mathrm{entmax}(p \odot \mathrm{norm}(A_s a^{s-1}))`, :math:`p \leftarrow
    p \odot (\gamma - m)`, :math:`(d^s, a^s) = \Phi_s(m \odot x)`.

    Parameters
    ----------
    groups
        Which embedded columns share a mask entry.
    config
        Sizes and switches.

    Notes
    -----
    Arik and Pfister (2019), section 3.2 and figure 4 (arXiv 1908.07442).
    """

    def __init__(self, groups: ColumnGroups, config: DenseConfig) -> None:
        super().__init__()
        self.config = config
        self.groups = groups
        width = config.n_d + config.n_a
        n_embedded = len(groups.group_of_e)
        norm = {"ghost_size": config.ghost_size, "momentum": config.momentum}
        # The input norm sees the whole minibatch, as pytorch-tabnet's does.
        self.input_norm = GhostBatchNorm(n_embedded, ghost_size=2**31, momentum=0.01)
        # One first map for every step if any map is shared, else each step has its own.
        n_first = 1 if config.n_shared > 0 else 1 + config.n_steps
        self.first_maps = nn.ModuleList(glu_linear(n_embedded, width) for _ in range(n_first))
        self.shared_maps = nn.ModuleList(
            glu_linear(width, width) for _ in range(config.n_shared - 1)
        )
        n_own = config.n_independent - (config.n_shared == 0)
        self.transformers = nn.ModuleList(
            FeatureTransformer(width, self.shared_maps, n_own, **norm)  # type: ignore[arg-type]
            for _ in range(1 + config.n_steps)
        )
        self.attention_maps = nn.ModuleList()
        self.attention_norms = nn.ModuleList()
        for _ in range(config.n_steps):
            attention = nn.Linear(config.n_a, groups.n_groups, bias=False)
            nn.init.normal_(attention.weight, std=config.n_a**-0.25)
            self.attention_maps.append(attention)
            self.attention_norms.append(
                GhostBatchNorm(groups.n_groups, **norm)  # type: ignore[arg-type]
            )

    def forward(
        self, x_ne: Tensor, weights_n: Tensor | None = None, prior_na: Tensor | None = None
    ) -> DenseSteps:
        """Return decisions, masks and the sparsity loss of one pass.

        Parameters
        ----------
        x_ne
            float32 ``(n, e)``.
        weights_n
            ``(n,)``; rows of weight 0 (padding) enter neither norms nor the sparsity loss.
        prior_na
            Prior scales before the first step, ``(n, a)``; all ones if ``None``.
        """
        n_d = self.config.n_d
        x_ne = self.input_norm(x_ne, weights_n)
        if prior_na is None:
            prior_na = x_ne.new_ones(len(x_ne), self.groups.n_groups)
        attention_na = self._transform(0, x_ne, weights_n)[:, n_d:]
        decisions, masks = [], []
        for step in range(1, self.config.n_steps + 1):
            logits_na = self.attention_norms[step - 1](
                self.attention_maps[step - 1](attention_na), weights_n
            )
            mask_na = mask_activation(prior_na * logits_na, self.config.mask)
            prior_na = prior_na * (self.config.gamma - mask_na)
            out_nw = self._transform(step, self.groups.to_embedded(mask_na) * x_ne, weights_n)
            decisions.append(torch.relu(out_nw[:, :n_d]))
            attention_na = out_nw[:, n_d:]
            masks.append(mask_na)
        masks_sna = torch.stack(masks)
        return DenseSteps(torch.stack(decisions), masks_sna, self._entropy(masks_sna, weights_n))

    def _transform(self, step: int, x_ne: Tensor, weights_n: Tensor | None) -> Tensor:
        first = self.first_maps[step if len(self.first_maps) > 1 else 0]
        out_nw: Tensor = self.transformers[step](first(x_ne), weights_n)
        return out_nw

    def _entropy(self, masks_sna: Tensor, weights_n: Tensor | None) -> Tensor:
        entropy_sn = -(masks_sna * torch.log(masks_sna + self.config.epsilon)).sum(2)
        if weights_n is None:
            return entropy_sn.mean()
        counted_n = (weights_n > 0).to(entropy_sn.dtype)
        return (entropy_sn.mean(0) * counted_n).sum() / counted_n.sum().clamp(min=1)
