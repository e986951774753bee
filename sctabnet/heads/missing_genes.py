"""What genes that a panel lacks would have said, guessed from those that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from sctabnet.nn.gene_encoder import N_AXES

_ROUNDING = 1e-4


@dataclass(slots=True)
class Filled:
    """How linear scores change for each of s panels.

    Parameters
    ----------
    loadings_ga
        (g + 1, a), the weight of a measured gene's deviation from its mean in each of a hidden
        factors; 0 for the absent token in the last row.
    weight_sac
        (s, a, c), what each factor adds to the scores.
    scale_s
        (s,), at most 1: what is left of the scores, as the missing genes are not known for sure.
    covariance_scc
        (s, c, c), of what the missing genes leave open in the scores.
    """

    loadings_ga: Tensor
    weight_sac: Tensor
    scale_s: Tensor
    covariance_scc: Tensor


class MissingGenes(nn.Module):
    r"""A Gaussian factor model of expression, which fills in genes that were not measured.

    With :math:`x = \mu + W z + \epsilon`, :math:`z \sim N(0, I)` and
    :math:`\epsilon \sim N(0, \psi)`, a panel S of the genes gives for the others

    .. math:: E[x_M | x_S] = \mu_M + W_M A^{-1} W_S^T \psi_S^{-1} (x_S - \mu_S),
        \qquad A = I + W_S^T \psi_S^{-1} W_S

    (Tipping and Bishop 1999, J. R. Stat. Soc. B 61:611), so that linear scores stay linear in the
    measured genes. They are shrunk by what the missing genes leave open, with s^2 the mean variance
    of the difference of two scores: the logistic function's mean over a normal score with variance
    s^2 is nearly that of the score divided by :math:`\sqrt{1 + \pi s^2 / 8}` (MacKay 1992, Neural
    Comput. 4:720). Until it is fitted nothing is filled in, shrunk or rescaled.

    Parameters
    ----------
    n_genes
        Genes of the vocabulary.

    Attributes
    ----------
    axes
        float32 (g, a), W.
    noise
        float32 (g,), psi.
    level
        float32 (g,), a gene's counts as a share of those that the average training cell's panel
        holds: they sum to 1 for a panel as in training.
    """

    axes: Tensor
    noise: Tensor
    level: Tensor

    def __init__(self, n_genes: int) -> None:
        super().__init__()
        self.register_buffer("axes", torch.zeros(n_genes, N_AXES))
        self.register_buffer("noise", torch.zeros(n_genes))
        self.register_buffer("level", torch.zeros(n_genes))
        # a file is read in many minibatches, and all of them have its panel
        self._last: tuple[list[Tensor], Filled] | None = None

    def rescale(self, x_k: Tensor, offsets: Tensor, panel_sg: Tensor, where_n: Tensor) -> Tensor:
        """Return log1p values as if the cells' missing genes had been counted too.

        Values are log1p of counts per 10,000 of the genes that a panel holds. The fewer these are,
        the larger a value for the same cell: here a panel's genes share what they hold of the
        average training cell.

        Parameters
        ----------
        x_k, offsets
            (k,) log1p of counts per 10,000, and int64 (n + 1,) where each cell's begin.
        panel_sg, where_n
            (s, g), 1 where a panel holds the gene, and int64 (n,) the panel of each cell.
        """
        share_s = ((panel_sg > 0) * self.level).sum(1)
        if not bool(self.level.any()) or bool(((share_s - 1).abs() < _ROUNDING).all()):
            return x_k
        share_k = torch.repeat_interleave(share_s[where_n], offsets.diff(), output_size=len(x_k))
        return torch.log1p(torch.expm1(x_k) * share_k)

    @torch.no_grad()
    def forward(self, panel_sg: Tensor, weight_gc: Tensor) -> Filled | None:
        """Return how scores with these weights change, or None if no panel lacks a gene.

        Parameters
        ----------
        panel_sg
            (s, g), 1 where a panel holds the gene.
        weight_gc
            (g, c) weights of c linear scores.
        """
        measured = panel_sg > 0
        used = (weight_gc != 0).any(1)
        if not bool(self.noise.any()) or bool(measured[:, used].all()):
            return None
        asked = [panel_sg, weight_gc, self.axes, self.noise]
        last = self._last
        if last is not None and all(map(_same, last[0], asked)):
            return last[1]
        noise = self.noise.clamp_min(1e-12)[:, None]
        loadings = torch.nn.functional.pad(self.axes / noise, (0, 0, 0, 1))
        # small matrices, and not every device has float64
        on_cpu = [t.cpu().double() for t in (self.axes, noise, weight_gc)]
        panels = [_of_panel(at[:, None].cpu().double(), *on_cpu) for at in measured]
        filled = Filled(
            loadings, *(torch.stack(parts).to(loadings) for parts in zip(*panels, strict=True))
        )
        if not torch.is_inference_mode_enabled():  # such tensors are of no use outside of it
            self._last = [tensor.detach().clone() for tensor in asked], filled
        return filled

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self._last = None  # of another device or dtype
        return super()._apply(fn, recurse)


def _same(first: Tensor, second: Tensor) -> bool:
    kind = first.device == second.device and first.dtype == second.dtype
    return kind and torch.equal(first, second)


def _of_panel(
    measured_g1: Tensor, axes_ga: Tensor, noise_g1: Tensor, weight_gc: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what each factor adds to the scores, what is left of them, and what is open."""
    seen, hidden = axes_ga * measured_g1, weight_gc * (1 - measured_g1)
    precision = torch.eye(axes_ga.shape[1]).to(axes_ga) + seen.T @ (axes_ga / noise_g1)
    through_factors = axes_ga.T @ hidden
    weight = torch.linalg.solve(precision, through_factors)
    covariance = through_factors.T @ weight + hidden.T @ (hidden * noise_g1)
    n_scores = len(covariance)
    spread = covariance.trace() - covariance.sum() / n_scores
    variance = 2 * spread / max(n_scores - 1, 1)
    return weight, (1 + torch.pi / 8 * variance).rsqrt(), covariance
