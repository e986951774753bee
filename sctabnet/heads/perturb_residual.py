"""What a small network adds to the closed form, and which genes it looks at.

Legend of suffixes: q queries, g genes, d width of gene vectors, h hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sctabnet.nn.mask_activation import mask_activation

N_TASKS = 3


class PerturbResidual(nn.Module):
    r"""A correction of predicted effects, by attention over the genes that respond.

    With gene vectors :math:`t_g`, the closed form's effect in units of its scale
    :math:`\nu_g = \hat\delta_g / \sigma_g`, and the control profile relative to the known ones
    :math:`x`,

    .. math::
        w &= \sum_g \nu_g t_g, \qquad r = \sum_g x_g t_g \\
        m &= \mathrm{entmax}_{1.5}(\tau |\nu_g| + \langle q(w, r), t_g \rangle) \\
        h &= \phi(\sum_g m_g \nu_g t_g, w, r, \mathrm{task}) \\
        \Delta_g &= \sigma_g (\langle A h, t_g \rangle + \nu_g \langle B h, t_g \rangle)

    A and B start at zero, so that before training the prediction is the closed form's. Genes enter
    only through their vectors: their order does not matter. No effect has no correction.

    Parameters
    ----------
    n_genes, width
        g and d.
    hidden
        h.
    """

    tokens: Tensor
    scale: Tensor
    control: Tensor

    def __init__(self, n_genes: int, width: int, *, hidden: int = 24) -> None:
        super().__init__()
        self.register_buffer("tokens", torch.zeros(n_genes, width))
        self.register_buffer("scale", torch.ones(n_genes))
        self.register_buffer("control", torch.zeros(n_genes))
        self.temperature = nn.Parameter(torch.ones(()))
        self.query = nn.Linear(2 * width, width, bias=False)
        self.transform = nn.Sequential(
            nn.Linear(3 * width + N_TASKS, hidden), nn.GELU(), nn.LayerNorm(hidden)
        )
        self.out = nn.Linear(hidden, 2 * width, bias=False)
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.out.weight)

    def forward(
        self, base_qg: Tensor, control_qg: Tensor, task_q: Tensor, genes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the correction and the attention, (q, g) both; the attention sums to 1.

        Parameters
        ----------
        base_qg
            Effects that the closed form predicts.
        control_qg
            Control profiles.
        task_q
            int64 (q,), which kind of question each query is.
        genes
            int64, the genes that the columns are; all if None. Few genes train the same network.
        """
        tokens, scale, known = self.tokens, self.scale, self.control
        if genes is not None:
            tokens, scale, known = tokens[genes], scale[genes], known[genes]
        n_genes = len(tokens)
        nu = base_qg / scale
        whole = nu @ tokens / n_genes
        rest = (control_qg - known) @ tokens / n_genes
        query = self.query(torch.cat([whole, rest], 1))
        mask = mask_activation(self.temperature * nu.abs() + query @ tokens.T, "entmax15")
        task = nn.functional.one_hot(task_q, N_TASKS).to(nu)
        hidden = self.transform(torch.cat([(mask * nu) @ tokens, whole, rest, task], 1))
        shift, factor = self.out(hidden).chunk(2, 1)
        correction = scale * (shift @ tokens.T + nu * (factor @ tokens.T))
        return torch.where((base_qg != 0).any(1, keepdim=True), correction, 0.0), mask
