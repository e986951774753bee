from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from sctabnet.ops import list_tokens, set_backend
from tests.ops.ragged import lists


@settings(deadline=None)  # the first call compiles
@given(lists=lists())
def test_backends_agree_and_every_list_ends_with_the_absent_token(lists):
    indices, offsets, n_genes = lists
    generator = torch.Generator().manual_seed(0)
    x, std = (torch.rand(m, generator=generator) for m in (len(indices), n_genes))
    outputs = []
    for name in ("torch", "numba"):
        with set_backend(name):
            outputs.append(list_tokens(x, indices, offsets, std + 0.5))
    for ours, theirs in zip(*outputs, strict=True):
        torch.testing.assert_close(ours, theirs)
    listed, longer, values, scaled = outputs[1]
    absent = longer[1:] - 1
    assert (listed[absent] == n_genes).all()
    assert (values[absent] == 0).all() and (scaled[absent] == 0).all()
    assert torch.equal(listed[listed < n_genes], indices)
    torch.testing.assert_close(scaled[listed < n_genes], x / (std + 0.5)[indices])


def test_gradient_to_the_values(backend):
    x = torch.rand(3, requires_grad=True)
    std = torch.rand(4) + 0.5
    indices = torch.tensor([1, 3, 0])
    _, _, values, scaled = list_tokens(x, indices, torch.tensor([0, 2, 3]), std)
    (grad,) = torch.autograd.grad((values + scaled).sum(), x)
    torch.testing.assert_close(grad, 1 + 1 / std[indices])


def test_index_outside_the_genes(backend):
    with pytest.raises(IndexError, match="outside the table of 2 genes"):
        list_tokens(torch.ones(1), torch.tensor([2]), torch.tensor([0, 1]), torch.ones(2))
