from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.ops import gene_sum, masked_gene_sum, ragged_entmax, set_backend
from tests.ops.ragged import lists, random_lists


@settings(deadline=None)  # the first call compiles
@given(
    lists=lists(),
    keep=st.sampled_from([0, 0.3, 1]),
    name=st.sampled_from(["torch", "numba"]),
    is_centred=st.booleans(),
)
def test_equals_gene_sum_on_the_support(lists, keep, name, is_centred):
    indices, offsets, n_genes = lists
    generator = torch.Generator().manual_seed(0)
    mask, values = torch.rand(2, len(indices), generator=generator, dtype=torch.float64)
    mask = (mask * (torch.rand(len(mask), generator=generator) < keep)).requires_grad_()
    values.requires_grad_()
    table = torch.randn(n_genes, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    centre = torch.randn(n_genes, generator=generator, dtype=torch.float64)
    with set_backend(name):
        given_centre = centre if is_centred else None
        out = masked_gene_sum(mask, values, indices, offsets, table, given_centre)
        ours = torch.autograd.grad(out.square().sum(), (mask, values, table))
    less = values - centre[indices] if is_centred else values
    expected = gene_sum(mask * less, indices, offsets, table)
    theirs = torch.autograd.grad(expected.square().sum(), (mask, values, table))
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(ours[0], theirs[0] * (mask != 0))
    torch.testing.assert_close(ours[1:], theirs[1:])


@pytest.mark.parametrize("alpha", [1.5, 2])
def test_gradcheck_behind_entmax(backend, alpha):
    """Skipping what the mask leaves out is exact, because entmax has no gradient there."""
    indices, offsets = random_lists([3, 0, 1, 6], 7)
    logits = torch.randn(10, dtype=torch.float64, requires_grad=True)
    values = torch.randn(10, dtype=torch.float64, requires_grad=True)
    table = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)

    def attend(logits, values, table):
        mask = ragged_entmax(logits, offsets, alpha)
        return masked_gene_sum(mask, values, indices, offsets, table)

    assert torch.autograd.gradcheck(attend, (logits, values, table))


def test_a_zero_value_keeps_its_gradient(backend):
    mask = torch.tensor([0.5, 0.5], requires_grad=True)
    values = torch.tensor([0.0, 1.0], requires_grad=True)
    out = masked_gene_sum(
        mask, values, torch.tensor([0, 1]), torch.tensor([0, 2]), torch.ones(2, 1)
    )
    grad_mask, grad_values = torch.autograd.grad(out.sum(), (mask, values))
    assert grad_mask.tolist() == [0, 1]
    assert grad_values.tolist() == [0.5, 0.5]


def test_index_outside_the_table(backend):
    with pytest.raises(IndexError, match="outside the table of 2 genes"):
        masked_gene_sum(
            torch.ones(1), torch.ones(1), torch.tensor([2]), torch.tensor([0, 1]), torch.ones(2, 1)
        )
