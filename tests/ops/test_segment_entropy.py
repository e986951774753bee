from __future__ import annotations

import torch

from sctabnet.ops import segment_entropy

OFFSETS = torch.tensor([0, 3, 3, 5])


def test_value_and_gradient_on_the_support(backend):
    mask = torch.tensor([0.5, 0.0, 0.5, 0.2, 0.8], requires_grad=True)
    entropy = segment_entropy(mask, OFFSETS)
    expected = torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.8])
    for row, p in zip((0, 2), expected, strict=True):
        torch.testing.assert_close(entropy[row], torch.distributions.Categorical(p).entropy())
    assert entropy[1] == 0
    (grad,) = torch.autograd.grad(entropy.sum(), mask)
    inside = torch.tensor([0.5, 0.5, 0.2, 0.8])
    torch.testing.assert_close(grad[[0, 2, 3, 4]], -inside.log() - 1)
    assert grad[1] == 0


def test_gradcheck(backend):
    mask = torch.rand(5, dtype=torch.float64).add(0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: segment_entropy(m, OFFSETS), (mask,))
