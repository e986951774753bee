from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from sctabnet.nn.feature_transformer import FeatureTransformer
from sctabnet.nn.glu_linear import glu_linear


@pytest.mark.parametrize(("n_shared", "n_own"), [(1, 0), (1, 2), (2, 0), (2, 2), (3, 1)])
@pytest.mark.parametrize("training", [False, True])
def test_equals_pytorch_tabnet(n_shared: int, n_own: int, training: bool) -> None:
    tab_network = pytest.importorskip("pytorch_tabnet.tab_network")
    torch.manual_seed(0)
    n_in, width = 7, 6
    first = nn.Linear(n_in, 2 * width, bias=False)
    shared = nn.ModuleList(glu_linear(width, width) for _ in range(n_shared - 1))
    theirs = tab_network.FeatTransformer(
        n_in, width, nn.ModuleList([first, *shared]), n_own, virtual_batch_size=16
    )
    ours = FeatureTransformer(width, shared, n_own, ghost_size=16)
    blocks = [*theirs.shared.glu_layers, *(theirs.specifics.glu_layers if n_own else ())]
    with torch.no_grad():
        for norm, block in zip(ours.norms, blocks, strict=True):
            norm.weight.copy_(block.bn.bn.weight.normal_())
            norm.bias.copy_(block.bn.bn.bias.normal_())
        for linear, block in zip(ours.own, blocks[n_shared:], strict=True):
            linear.weight.copy_(block.fc.weight)
    ours.train(training), theirs.train(training)
    x_nd = torch.randn(50, n_in)
    out_nw = ours(first(x_nd))
    assert out_nw.shape == (50, width)
    torch.testing.assert_close(out_nw, theirs(x_nd), rtol=0, atol=1e-5)


def test_shared_maps_stay_with_their_owner() -> None:
    shared = nn.ModuleList([glu_linear(4, 4)])
    step = FeatureTransformer(4, shared, 1)
    assert not any("shared" in name for name in step.state_dict())
    owner = nn.ModuleDict({"shared": shared, "step": step})
    copy = deepcopy(owner)
    with torch.no_grad():
        copy["shared"][0].weight.zero_()
    x_nw2 = torch.randn(5, 8)
    assert not torch.equal(copy["step"].eval()(x_nw2), owner["step"].eval()(x_nw2))
