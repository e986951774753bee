from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.ops import gene_dot, row_index, set_backend
from tests.ops.ragged import lists, random_lists


@settings(deadline=None)  # the first call compiles
@given(lists=lists(), width=st.integers(1, 9), name=st.sampled_from(["torch", "numba"]))
def test_equals_gathered_product(lists, width, name):
    indices, offsets, n_genes = lists
    generator = torch.Generator().manual_seed(0)
    query, keys, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in [(len(offsets) - 1, width), (n_genes, width), (n_genes,)]
    )
    with set_backend(name):
        out = gene_dot(query, keys, indices, offsets, bias)
        ours = torch.autograd.grad(out.square().sum(), (query, keys, bias))
    expected = (query @ keys.T + bias)[row_index(offsets), indices]
    theirs = torch.autograd.grad(expected.square().sum(), (query, keys, bias))
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(ours, theirs)


def test_gradcheck(backend):
    indices, offsets = random_lists([3, 0, 1, 6], 7)
    query = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    keys = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda q, k: gene_dot(q, k, indices, offsets), (query, keys))


def test_gradient_skips_what_got_none(backend):
    """A gradient with many zeros, as entmax leaves it, gives the same as the dense product."""
    indices, offsets = random_lists([20] * 6, 30)
    query, keys = torch.randn(6, 8, requires_grad=True), torch.randn(30, 8, requires_grad=True)
    grad = torch.randn(120) * (torch.rand(120) < 0.2)
    ours = torch.autograd.grad(gene_dot(query, keys, indices, offsets), (query, keys), grad)
    plain = (query @ keys.T)[row_index(offsets), indices]
    torch.testing.assert_close(ours, torch.autograd.grad(plain, (query, keys), grad))


@pytest.mark.parametrize("bad", [-1, 5])
def test_index_outside_the_keys(backend, bad):
    with pytest.raises(IndexError, match="outside the table of 5 genes"):
        gene_dot(torch.ones(1, 2), torch.ones(5, 2), torch.tensor([0, bad]), torch.tensor([0, 2]))


def test_shapes_that_do_not_fit(backend):
    offsets, indices, keys = torch.tensor([0, 3]), torch.arange(3), torch.ones(5, 2)
    with pytest.raises(ValueError, match="one query per cell"):
        gene_dot(torch.ones(2, 2), keys, indices, offsets)
    with pytest.raises(ValueError, match="one entry per gene"):
        gene_dot(torch.ones(1, 2), keys, indices, offsets, torch.ones(4))


def test_bfloat16_query_gives_float32(backend):
    indices, offsets = random_lists([3, 2], 4)
    query, keys = torch.randn(2, 8).bfloat16(), torch.randn(4, 8)
    out = gene_dot(query, keys, indices, offsets)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, gene_dot(query.float(), keys, indices, offsets))
