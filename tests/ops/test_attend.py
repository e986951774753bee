from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sctabnet.ops import attend, gene_sum, ragged_entmax, segment_sum, set_backend
from tests.ops.ragged import lists, random_lists

INDICES, OFFSETS = random_lists([3, 0, 1, 6], 7)


@settings(deadline=None)  # the first call compiles
@given(
    lists=lists(),
    name=st.sampled_from(["torch", "numba"]),
    alpha=st.sampled_from([1, 1.5, 2]),
    is_centred=st.booleans(),
)
def test_equals_entmax_then_gene_sum_over_all_genes(lists, name, alpha, is_centred):
    indices, offsets, n_genes = lists
    generator = torch.Generator().manual_seed(0)
    logits, values, wanted = torch.randn(
        3, len(indices), generator=generator, dtype=torch.float64
    ).unbind()
    table, centre = torch.randn(2, n_genes, 4, generator=generator, dtype=torch.float64).unbind()
    inputs = [t.requires_grad_() for t in (logits, values, table)]
    centre = centre[:, 0] if is_centred else None

    def loss(mask, total, entropy):
        return (mask * wanted).sum() + total.square().sum() + (entropy + 1).square().sum()

    with set_backend(name):
        ours = attend(logits, values, indices, offsets, table, centre, alpha=alpha)
        grads = torch.autograd.grad(loss(*ours), inputs)
    mask = ragged_entmax(logits, offsets, alpha)
    less = values if centre is None else values - centre[indices]
    safe = torch.where(mask > 0, mask, 1.0)
    expected = (
        mask,
        gene_sum(mask * less, indices, offsets, table),
        segment_sum(-safe * safe.log(), offsets),
    )
    for found, value in zip(ours, expected, strict=True):
        torch.testing.assert_close(found, value)
    for found, value in zip(grads, torch.autograd.grad(loss(*expected), inputs), strict=True):
        torch.testing.assert_close(found, value)


@pytest.mark.parametrize("alpha", [1, 1.5, 2])
def test_gradcheck(backend, alpha):
    logits, values = torch.randn(2, 10, dtype=torch.float64).unbind()
    table, centre = torch.randn(7, 3, dtype=torch.float64), torch.randn(7, dtype=torch.float64)

    def run(logits, values, table):
        return attend(logits, values, INDICES, OFFSETS, table, centre, alpha=alpha)

    inputs = tuple(t.clone().requires_grad_() for t in (logits, values, table))
    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.parametrize("used", ["mask", "sum", "entropy"])
def test_each_output_by_itself_gives_a_gradient(backend, used):
    logits = torch.tensor([0.0, 0.3, 0.1], requires_grad=True)
    table = torch.eye(3, requires_grad=True)
    lists = torch.arange(3), torch.tensor([0, 3])
    outputs = attend(logits, torch.ones(3), *lists, table, alpha=1.5)
    out = outputs[["mask", "sum", "entropy"].index(used)]
    to_logits, to_table = torch.autograd.grad(
        out.square().sum(), (logits, table), allow_unused=True
    )
    assert to_logits.abs().sum() > 0
    assert (to_table is not None and to_table.abs().sum() > 0) == (used == "sum")


def test_entropy_on_the_support(backend):
    """Rows of masks (.5, 0, .5), nothing, (.2, .8)."""
    logits = torch.log(torch.tensor([0.5, 0, 0.5, 0.2, 0.8]))
    offsets, table = torch.tensor([0, 3, 3, 5]), torch.ones(5, 1)
    lists = torch.tensor([0, 1, 2, 0, 1]), offsets
    mask, total, entropy = attend(logits, torch.ones(5), *lists, table, alpha=1)
    torch.testing.assert_close(mask, torch.tensor([0.5, 0, 0.5, 0.2, 0.8]))
    for row, p in ((0, [0.5, 0.5]), (2, [0.2, 0.8])):
        expected = torch.distributions.Categorical(torch.tensor(p)).entropy()
        torch.testing.assert_close(entropy[row], expected)
    assert entropy[1] == 0
    assert total[1] == 0


def test_a_zero_value_keeps_its_gradient(backend):
    values = torch.tensor([0.0, 1.0], requires_grad=True)
    logits = torch.zeros(2, requires_grad=True)
    lists = torch.tensor([0, 1]), torch.tensor([0, 2])
    _, total, _ = attend(logits, values, *lists, torch.ones(2, 1), alpha=1)
    to_logits, to_values = torch.autograd.grad(total.sum(), (logits, values))
    assert to_values.tolist() == [0.5, 0.5]
    assert to_logits.tolist() == [-0.25, 0.25]


def test_bad_input(backend):
    one, zero, offsets = torch.ones(1), torch.zeros(1), torch.tensor([0, 1])
    with pytest.raises(IndexError, match="outside the table of 2 genes"):
        attend(zero, one, torch.tensor([2]), offsets, torch.ones(2, 1), alpha=2)
    with pytest.raises(ValueError, match="one number per row"):
        attend(zero, one, torch.tensor([1]), offsets, torch.ones(2, 1), torch.ones(1), alpha=2)
    with pytest.raises(ValueError, match="no exact kernel"):
        attend(zero, one, torch.tensor([1]), offsets, torch.ones(2, 1), alpha=3)
    with pytest.raises(ValueError, match="NaN"):
        attend(zero / 0, one, torch.tensor([1]), offsets, torch.ones(2, 1), alpha=1.5)


def test_a_centre_of_another_dtype_changes_none(backend):
    lists = torch.tensor([0, 1]), torch.tensor([0, 2])
    centre = torch.ones(2, dtype=torch.float64, requires_grad=True)
    outputs = attend(torch.zeros(2), torch.ones(2), *lists, torch.eye(2), centre, alpha=2)
    assert {out.dtype for out in outputs} == {torch.float32}
    assert not any(out.requires_grad for out in outputs)
