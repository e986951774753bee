"""TabNet's feature transformer: gated linear units with residuals.

Legend: n cells (rows), w width = n_d + n_a, w2 twice the width (value half and gate half).
"""

from __future__ import annotations

from torch import Tensor, nn

from sctabnet.nn.ghost_batch_norm import GhostBatchNorm
from sctabnet.nn.glu_linear import glu_linear


class FeatureTransformer(nn.Module):
    r"""One step's :math:`\Phi_s`, without its first linear map.

    With :math:`\mathrm{GLU}(h) = v \odot \sigma(u)`, :math:`(v, u) = \mathrm{norm}(h)`, the output
    is :math:`x_1 = \mathrm{GLU}_1(h)`, then :math:`x_{j+1} = \sqrt{1/2}\,(x_j + \mathrm{GLU}_{j+1}
    (W_{j+1} x_j))` for the maps of ``shared`` followed by the step's own. The first linear map
    stays outside, because it is what differs between inputs: a matrix product over fixed columns,
    or a sum of gene embeddings.

    Parameters
    ----------
    width
        ``w = n_d + n_a``.
    shared
        The second and later linear maps shared by the steps (from ``glu_linear(width, width)``);
        empty if only the first map is shared, or none. The caller owns and registers them.
    n_own
        Number of further linear maps that belong to this step alone.
    ghost_size, momentum
        Passed to :class:`GhostBatchNorm`. Norms are never shared.

    Notes
    -----
    Arik and Pfister (2019), "TabNet", figure 4c (arXiv 1908.07442); Dauphin et al. (2016) for the
    gated linear unit. Same algebra as pytorch-tabnet's ``FeatTransformer``. Where no map at all is
    shared, the first map outside is the step's own and ``n_own`` counts the ones after it.
    """

    def __init__(
        self,
        width: int,
        shared: nn.ModuleList,
        n_own: int,
        *,
        ghost_size: int = 128,
        momentum: float = 0.02,
    ) -> None:
        super().__init__()
        # A tuple is not registered: shared maps appear once in the state dict, at their owner.
        self._shared = tuple(shared)
        self.own = nn.ModuleList(glu_linear(width, width) for _ in range(n_own))
        self.norms = nn.ModuleList(
            GhostBatchNorm(2 * width, ghost_size=ghost_size, momentum=momentum, gated=True)
            for _ in range(1 + len(shared) + n_own)
        )

    def forward(self, h_nw2: Tensor, weights_n: Tensor | None = None) -> Tensor:
        """Return ``(n, w)`` from the first linear map's output ``(n, 2 w)``.

        ``weights_n`` (``(n,)``, 0 = padding) is passed to every norm.
        """
        x_nw = self.norms[0](h_nw2, weights_n)
        for linear, norm in zip((*self._shared, *self.own), self.norms[1:], strict=True):
            x_nw = (x_nw + norm(linear(x_nw), weights_n)) * 0.5**0.5
        return x_nw
